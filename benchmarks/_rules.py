"""Rules that real rows of a table keep, written down from what its columns mean.

A rule is a line of ``RULES``: an expression of columns as ``pandas.eval`` reads it, ``if -> then``, or
``this <-> that`` (both or neither). All were chosen before rows of any generator were looked at, and hold in
at least 99 % of the real rows. ``RATES`` are no rules: they hold in a share of the rows, which new rows
should have, too.
"""

import re

import numpy as np
import pandas as pd

__all__ = ["RATES", "RULES", "find_kept", "list_lines"]

#: Years of schooling, as ranks.
EDUCATION = (
    "Preschool 1st-4th 5th-6th 7th-8th 9th 10th 11th 12th HS-grad Some-college Assoc-voc Assoc-acdm "
    "Bachelors Masters Prof-school Doctorate"
)
NAMES = {"rank": {name: rank for rank, name in enumerate(EDUCATION.split(), 1)}}

RULES: dict[str, str] = {
    # 15 of the 61 columns; those with minima, means and maxima are not among them.
    "news_popularity": """
        data_channel_is_entertainment + data_channel_is_bus + data_channel_is_tech <= 1
        n_tokens_content == 0 -> n_unique_tokens == 0
        n_tokens_content == 0 -> global_subjectivity == 0
        n_tokens_content == 0 -> global_sentiment_polarity == 0
        n_tokens_content == 0 -> avg_positive_polarity == 0
        n_tokens_content > 0 -> n_unique_tokens > 0
        n_tokens_content > 0 -> n_unique_tokens * n_tokens_content >= 1
        0 <= n_unique_tokens <= 1
        global_subjectivity == 0 -> global_sentiment_polarity == 0
        title_subjectivity == 0 -> title_sentiment_polarity == 0
        global_sentiment_polarity <= avg_positive_polarity
        avg_positive_polarity == 0 -> global_sentiment_polarity <= 0
        shares >= 1 and shares == shares.round()
    """,
    "adult": """
        education_num == education.map(@rank)
        relationship == 'Husband' -> sex == 'Male'
        relationship == 'Wife' -> sex == 'Female'
        relationship in ['Husband', 'Wife'] -> marital_status in ['Married-civ-spouse', 'Married-AF-spouse']
        marital_status == 'Married-civ-spouse' -> relationship not in ['Unmarried', 'Not-in-family']
        marital_status == 'Never-married' -> relationship not in ['Husband', 'Wife']
        capital_gain == 0 or capital_loss == 0
        workclass.isna() -> occupation.isna()
        occupation.isna() -> workclass.isna() or workclass == 'Never-worked'
        occupation == 'Priv-house-serv' -> workclass == 'Private'
        occupation == 'Armed-Forces' -> workclass == 'Federal-gov'
        education_num + 5 <= age
        education == 'Bachelors' -> age >= 19
        education in ['Masters', 'Prof-school', 'Doctorate'] -> age >= 20
        marital_status == 'Widowed' -> age >= 20
        capital_gain == 99999 -> income == '>50K'
    """,
    # PAY_k: months late, 0 revolving credit, -1 paid in full, -2 nothing to pay. PAY_AMTk pays BILL_AMT(k+1).
    "default_credit": """
        LIMIT_BAL % 10000 == 0
        BILL_AMT1 == BILL_AMT1.round() and BILL_AMT6 == BILL_AMT6.round()
        PAY_AMT1 >= 0 and PAY_AMT1 == PAY_AMT1.round()
        PAY_AMT6 >= 0 and PAY_AMT6 == PAY_AMT6.round()
        BILL_AMT1 <= 2 * LIMIT_BAL
        BILL_AMT6 <= 2 * LIMIT_BAL
        BILL_AMT1 - BILL_AMT2 + PAY_AMT1 <= 1.1 * LIMIT_BAL
        BILL_AMT2 <= 0 -> PAY_AMT1 == 0
        BILL_AMT3 <= 0 -> PAY_AMT2 == 0
        BILL_AMT4 <= 0 -> PAY_AMT3 == 0
        BILL_AMT5 <= 0 -> PAY_AMT4 == 0
        BILL_AMT6 <= 0 -> PAY_AMT5 == 0
        PAY_0 >= 2 -> BILL_AMT1 > 0
        PAY_2 >= 2 -> BILL_AMT2 > 0
        PAY_5 >= 2 -> BILL_AMT5 > 0
        PAY_0 == 0 -> BILL_AMT1 > 0
        PAY_2 == 0 -> BILL_AMT2 > 0
        PAY_2 == 0 -> PAY_AMT1 > 0
        PAY_2 == -1 -> PAY_AMT1 >= BILL_AMT2
        PAY_3 == -1 -> PAY_AMT2 >= BILL_AMT3
        PAY_4 == -1 -> PAY_AMT3 >= BILL_AMT4
        PAY_5 == -1 -> PAY_AMT4 >= BILL_AMT5
        PAY_6 == -1 -> PAY_AMT5 >= BILL_AMT6
        PAY_2 in [-2, -1] -> PAY_0 <= 2
        PAY_5 <= PAY_6 + 2
    """,
    # The rate at which a page is left at once hardly exceeds that at which it is left at all.
    "online_shoppers": """
        0 <= BounceRates <= 1
        0 <= ExitRates <= 1
        BounceRates <= ExitRates + 0.01
        ExitRates == 0 -> BounceRates == 0
        Administrative == 0 -> Administrative_Duration == 0
        Informational == 0 -> Informational_Duration == 0
        ProductRelated == 0 -> ProductRelated_Duration == 0
        Administrative + Informational + ProductRelated >= 1
        ProductRelated_Duration == 0 -> PageValues == 0
        BounceRates == 0.2 -> ExitRates == 0.2
        BounceRates == 0.2 -> PageValues == 0
        SpecialDay > 0 -> Month in ['Feb', 'May']
    """,
    "bank_marketing": """
        pdays == -1 <-> previous == 0
        pdays == -1 <-> poutcome == 'unknown'
        previous == 0 <-> poutcome == 'unknown'
        pdays == -1 or pdays >= 1
        month == 'feb' -> day <= 29
        month in ['apr', 'jun', 'sep', 'nov'] -> day <= 30
        job == 'student' -> age <= 50
        job == 'retired' -> age >= 40
    """,
    "stroke": """
        age < 16 -> ever_married == 'No'
        work_type == 'children' -> ever_married == 'No'
        work_type == 'children' -> age < 18
        work_type == 'Never_worked' -> age < 30
        age < 13 -> work_type == 'children'
        age < 10 -> smoking_status == 'Unknown'
        work_type == 'children' -> hypertension == 0
        age >= 2 -> age == age.round()
    """,
    # Every column has a scale of its own from 0 to 1: shares do not add up, medians lie near their quartiles.
    "us_crime": """
        pctUrban == 0 -> numbUrban == 0
        abs(TotalPctDiv - (MalePctDivorce + FemalePctDiv) / 2) <= 0.05
        abs(OwnOccMedVal - (OwnOccLowQuart + OwnOccHiQuart) / 2) <= 0.05
        abs(RentMedian - (RentLowQ + RentHighQ) / 2) <= 0.15
        abs(PctRecImmig8 - PctRecImmig10) <= 0.1
        abs(PctPersOwnOccup - PctHousOwnOcc) <= 0.15
        abs(PctLess9thGrade - PctNotHSGrad) <= 0.4
    """,
    "beijing_pm25": """
        DEWP <= TEMP
        month == 2 -> day <= 29
        month == 2 and year != 2012 -> day <= 28
        month in [4, 6, 9, 11] -> day <= 30
        Is == 0 or Ir == 0
        Is > 0 -> TEMP <= 5
        Ir > 0 -> TEMP > -5
        month in [5, 6, 7, 8, 9] -> Is == 0
        month in [6, 7, 8] -> TEMP > 5
    """,
    "thyroid_sick": """
        `TSH measured` == 'f' <-> TSH.isna()
        `T3 measured` == 'f' <-> T3.isna()
        `TT4 measured` == 'f' <-> TT4.isna()
        `T4U measured` == 'f' <-> T4U.isna()
        `FTI measured` == 'f' <-> FTI.isna()
        `TBG measured` == 'f' <-> TBG.isna()
        FTI.isna() <-> TT4.isna() or T4U.isna()
        abs(FTI - TT4 / T4U) <= 0.05 * FTI
        pregnant == 't' -> sex == 'F'
        pregnant == 't' -> age <= 50
    """,
    "sick_euthyroid": """
        TSH_measured == 'n' <-> TSH.isna()
        T3_measured == 'n' <-> T3.isna()
        TT4_measured == 'n' <-> TT4.isna()
        T4U_measured == 'n' <-> T4U.isna()
        FTI_measured == 'n' <-> FTI.isna()
        TBG_measured == 'n' <-> TBG.isna()
        FTI.isna() <-> TT4.isna() or T4U.isna()
        abs(FTI - TT4 / T4U) <= 0.2 * FTI
        pregnant == 't' -> sex == 'F'
        pregnant == 't' -> age <= 50
    """,
    "credit_g": """
        housing == 'for free' -> property_magnitude == 'no known property'
        employment == '>=7' -> age >= 22
        employment == '4<=X<7' -> age >= 20
    """,
    "abalone": """
        Diameter <= Length
        Height <= Length
        Height <= Diameter
        ShuckedWeight <= WholeWeight
        VisceraWeight <= WholeWeight
        ShellWeight <= WholeWeight
        VisceraWeight <= ShuckedWeight
        ShuckedWeight + VisceraWeight <= WholeWeight
        ShuckedWeight + ShellWeight <= WholeWeight
        ShellWeight + VisceraWeight <= WholeWeight
        abs(200 * Length - (200 * Length).round()) < 0.001
    """,
    "wine_quality": """
        free_sulfur_dioxide <= total_sulfur_dioxide
        citric_acid <= fixed_acidity
        volatile_acidity <= fixed_acidity
        0.98 <= density <= 1.04
        residual_sugar > 20 -> colour == 'white'
    """,
    # V1-V24 wind speed and V27-V50 temperature by the hour, then their peak and mean (V25, V26; V51, V52);
    # temperature, humidity, winds U and V, height at 850, 700 and 500 hPa (V53-V57, V58-V62, V63-V67);
    # V70 pressure at sea level.
    "ozone_8h": """
        V26 <= V25
        V1 <= V25
        V13 <= V25
        V24 <= V25
        V52 <= V51
        V27 <= V51
        V40 <= V51
        V50 <= V51
        V63 <= V58
        V58 <= V53
        V57 <= V62
        V62 <= V67
        0 <= V59 <= 1
        V25.isna() <-> V26.isna()
        V51.isna() <-> V52.isna()
        V55.isna() <-> V56.isna()
        V60.isna() <-> V61.isna()
        V65.isna() <-> V66.isna()
    """,
    # McIntosh's classes of sunspots.
    "solar_flare2": """
        `class` == 'H' <-> spot_distribution == 'X'
        `class` == 'B' <-> largest_spot_size == 'X'
        `class` == 'B' -> spot_distribution in ['O', 'I']
        spot_distribution == 'C' -> `class` in ['D', 'E', 'F']
        `class` == 'H' -> Area == '1'
        largest_spot_size in ['X', 'R', 'S', 'A'] -> Area == '1'
        Area_of_the_largest_spot == '1'
    """,
    # Position (centre) and size of the box around a letter.
    "letter": """
        width <= 2 * `x-box` + 4
        high <= 2 * `y-box` + 1
        `x-box` == 0 -> width <= 1
        `y-box` == 0 -> high <= 1
        onpix <= width + high
    """,
    # The table of ``vaeaug demo``. No outline encloses more than a circle does.
    "breast_cancer": """
        `mean radius` <= `worst radius`
        `mean texture` <= `worst texture`
        `mean perimeter` <= `worst perimeter`
        `mean area` <= `worst area`
        `mean smoothness` <= `worst smoothness`
        `mean compactness` <= `worst compactness`
        `mean concavity` <= `worst concavity`
        `mean concave points` <= `worst concave points`
        `mean symmetry` <= `worst symmetry`
        `mean fractal dimension` <= `worst fractal dimension`
        `mean radius` + `radius error` <= `worst radius`
        `mean perimeter` + `perimeter error` <= `worst perimeter`
        `mean area` + `area error` <= `worst area`
        `mean perimeter` ** 2 >= 12.566 * `mean area`
        `worst perimeter` ** 2 >= 12.566 * `worst area`
        abs(`mean area` - 3.1416 * `mean radius` ** 2) <= 0.1 * `mean area`
        abs(`worst area` - 3.1416 * `worst radius` ** 2) <= 0.15 * `worst area`
        abs(`mean perimeter` - 6.2832 * `mean radius`) <= 0.1 * `mean perimeter`
        abs(`worst perimeter` - 6.2832 * `worst radius`) <= 0.15 * `worst perimeter`
        `mean concavity` == 0 <-> `mean concave points` == 0
        `worst concavity` == 0 <-> `worst concave points` == 0
        `concavity error` == 0 <-> `concave points error` == 0
        `mean concavity` == 0 <-> `worst concavity` == 0
    """,
}

RATES: dict[str, str] = {
    "default_credit": """
        PAY_AMT1 == BILL_AMT2 != 0
        PAY_AMT2 == BILL_AMT3 != 0
        PAY_AMT3 == BILL_AMT4 != 0
        PAY_AMT4 == BILL_AMT5 != 0
        PAY_AMT5 == BILL_AMT6 != 0
        PAY_AMT4 == PAY_AMT5 != 0
    """,
    "online_shoppers": "BounceRates == ExitRates != 0",
    "news_popularity": "title_subjectivity == abs(title_sentiment_polarity) != 0",
    "us_crime": """
        PctRecImmig8 == PctRecImmig10 != 0
        PctRecImmig5 == PctRecImmig8 != 0
        OwnOccLowQuart == OwnOccMedVal != 0
        perCapInc == whitePerCap != 0
    """,
    "ozone_8h": """
        V42 == V51
        V16 == V25
        V31 == V32
    """,
}


def list_lines(text: str) -> list[str]:
    """Return the rules of a table."""
    return [line.strip() for line in text.strip().splitlines()]


def find_kept(rule: str, frame: pd.DataFrame, optional: set[str]) -> np.ndarray:
    """Tell of each row whether it keeps a rule.

    ``optional`` are the columns in which real rows lack cells. A row that lacks such a cell keeps every rule
    of that column that does not speak of missing cells.
    """
    *premise, conclusion = re.split(" (<->|->) ", rule)
    kept = _evaluate(conclusion, frame)
    if premise:
        given = _evaluate(premise[0], frame)
        kept = given == kept if premise[1] == "<->" else ~given | kept
    if ".isna()" in rule:
        return kept
    lacking = sorted(_list_columns(rule) & optional & set(frame.columns))
    return kept | frame[lacking].isna().any(axis=1).to_numpy()


def _evaluate(expression: str, frame: pd.DataFrame) -> np.ndarray:
    return np.asarray(frame.eval(expression, engine="python", local_dict=NAMES), dtype=bool)


def _list_columns(rule: str) -> set[str]:
    """Return all words of a rule that may be columns."""
    bare = re.sub("'[^']*'", "", rule)
    return {*re.findall("`([^`]+)`", bare), *re.findall(r"\w+", re.sub("`[^`]+`", "", bare))}
