"""The page of ``vaeaug studio``: its look, and the script that moves the picture."""

from __future__ import annotations

__all__ = ["PAGE", "SCRIPT", "STYLE"]

STYLE = """
:root { color-scheme: light dark; --ground: #f6f7f9; --card: #ffffff; --ink: #1c2430; --soft: #5b6675;
  --line: #dfe3e9; --accent: #0a67a8; --changed: #fff0c2; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #12161c; --card: #1b2129; --ink: #e8ecf1; --soft: #a3aebb; --line: #323b47;
    --accent: #6fb8ee; --changed: #4a3d12; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 1.5rem 1.25rem 3rem; }
h1 { font-size: clamp(1.4rem, 4vw, 1.9rem); line-height: 1.2; margin: 0 0 .5rem; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 0 0 .3rem; }
p { margin: .3rem 0; max-width: 46rem; color: var(--soft); }
section, .top { background: var(--card); border: 1px solid var(--line); border-radius: .6rem;
  padding: 1rem 1.2rem; margin: 1rem 0; }
.top { position: sticky; top: 0; z-index: 1; display: flex; flex-wrap: wrap; align-items: center;
  gap: .5rem; }
.panel { display: grid; grid-template-columns: minmax(0, 20rem) minmax(0, 1fr); gap: 1.2rem 2rem; }
.panel.wide { grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); }
/* Beside a long table the sliders stay in view, below the bar at the top. */
.panel.wide > div { position: sticky; top: 4.6rem; align-self: start; background: var(--card); }
canvas { display: block; width: 100%; image-rendering: pixelated; border-radius: .35rem;
  background: #000; }
.map { cursor: crosshair; touch-action: none; }
figure { margin: 0; max-width: 26rem; }
figcaption { color: var(--soft); font-size: .88rem; margin-top: .3rem; }
label { display: grid; grid-template-columns: 1fr auto; gap: .1rem .8rem; margin: .6rem 0; }
input[type=range] { grid-column: 1 / -1; width: 100%; min-height: 1.9rem; margin: 0;
  accent-color: var(--accent); }
output { color: var(--soft); font-variant-numeric: tabular-nums; }
select, button { font: inherit; color: inherit; background: var(--ground); max-width: 100%;
  border: 1px solid var(--line); border-radius: .4rem; padding: .35rem .7rem; }
.top label { display: flex; align-items: center; margin: 0; gap: .6rem; min-width: 0; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; font-weight: 400; padding: .2rem .5rem; border-bottom: 1px solid var(--line);
  overflow-wrap: anywhere; }
th { color: var(--soft); width: 50%; }
td.changed { background: var(--changed); }
@media (max-width: 44rem) {
  main { padding: 1rem .75rem 2rem; }
  section, .top { padding: .8rem .85rem; }
  .panel, .panel.wide { grid-template-columns: minmax(0, 1fr); }
  .top { flex-wrap: nowrap; justify-content: space-between; }
  .top label, .top select { min-width: 0; flex-shrink: 1; }
  .top button { flex: none; padding: .35rem .5rem; }
  .panel.wide > div { order: -1; top: 3.9rem; border-bottom: 1px solid var(--line); }
  figure.map-of { max-width: 18rem; } }
"""

SCRIPT = """
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const steps = data.stops.length, middle = Math.floor(steps / 2), isImages = data.kind === "images";
const byId = (id) => document.getElementById(id);
const sign = (x) => (x > 0 ? "+" : x < 0 ? "\\u2212" : "") + Math.abs(x).toFixed(1);
const sheets = {};

function element(name, text, parent) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (parent) parent.append(made);
  return made;
}

function sheet(address, then) {
  if (!sheets[address]) { sheets[address] = new Image(); sheets[address].src = address; }
  const image = sheets[address];
  if (image.complete) then(image); else image.addEventListener("load", () => then(image), { once: true });
}

function drawImage(target, address, row, column, name) {
  const [width, height] = data.size, context = target.getContext("2d");
  target.setAttribute("aria-label", name);
  target.dataset.wanted = [byId("class").value, row, column].join();
  const wanted = target.dataset.wanted;
  sheet(address, (image) => {
    if (target.dataset.wanted !== wanted) return;
    context.imageSmoothingEnabled = false;
    context.drawImage(image, column * width, row * height, width, height, 0, 0, target.width, target.height);
    target.dataset.shown = wanted;
  });
}

function drawRow(target, rows, number, from) {
  const body = target.querySelector("tbody");
  body.replaceChildren();
  data.columns.forEach((name, j) => {
    const line = element("tr", undefined, body);
    element("th", name, line).scope = "row";
    const cell = element("td", rows[number][j], line);
    if (rows[number][j] !== rows[from][j]) cell.className = "changed";
  });
  target.dataset.shown = String(number);
}

function show(target, sets, number, row, column, from, name) {
  if (isImages) drawImage(target, sets[+byId("class").value], row, column, name);
  else drawRow(target, sets[+byId("class").value], number, from);
}

function grid() {
  const first = +byId("first").value, second = +byId("second").value;
  byId("first-out").textContent = sign(data.stops[first]);
  byId("second-out").textContent = sign(data.stops[second]);
  const number = first * steps + second, name = data.names[+byId("class").value];
  show(byId("grid"), data.grids, number, first, second, middle * steps + middle,
    `${name} at ${sign(data.stops[first])}, ${sign(data.stops[second])}`);
  if (!isImages) return;
  const map = byId("map"), context = map.getContext("2d"), [width, height] = data.size;
  sheet(data.grids[+byId("class").value], (image) => {
    context.drawImage(image, 0, 0);
    context.lineWidth = Math.max(2, width / 10);
    context.strokeStyle = "#ff9d2e";
    context.strokeRect(second * width + context.lineWidth / 2, first * height + context.lineWidth / 2,
      width - context.lineWidth, height - context.lineWidth);
  });
}

function line() {
  const dim = +byId("dim").value, at = +byId("along").value;
  byId("along-out").textContent = sign(data.stops[at]);
  const number = dim * steps + at, name = data.names[+byId("class").value];
  show(byId("line"), data.lines, number, dim, at, dim * steps + middle,
    `${name}, number ${data.dims[dim]} of the code at ${sign(data.stops[at])}`);
}

function canvas(id, width, height, parent) {
  const made = element("canvas", undefined, parent);
  made.id = id; made.width = width; made.height = height;
  made.setAttribute("role", "img");
  return made;
}

function place(id, parent) {
  if (isImages) {
    const [width, height] = data.size, zoom = Math.max(1, Math.ceil(320 / Math.max(width, height)));
    canvas(id, width * zoom, height * zoom, parent);
  } else {
    const table = element("table", undefined, parent);
    table.id = id;
    element("tbody", undefined, table);
    if (data.more) element("p", `${data.more} more columns are not shown.`, parent);
  }
}

function start() {
  data.names.forEach((name, i) => { element("option", name, byId("class")).value = i; });
  data.dims.forEach((dim, i) => { element("option", `number ${dim}`, byId("dim")).value = i; });
  for (const id of ["first", "second", "along"]) {
    byId(id).max = steps - 1;
    byId(id).value = middle;
  }
  if (!isImages) document.querySelectorAll(".panel").forEach((panel) => panel.classList.add("wide"));
  place("grid", byId("grid-place"));
  place("line", byId("line-place"));
  const sections = { flat: byId("plane"), map: byId("map-place") };
  if (isImages) {
    const [width, height] = data.size, map = canvas("map", width * steps, height * steps, null);
    sections.map.prepend(map);
    map.className = "map";
    map.setAttribute("aria-label", "All places of the two directions; the sliders do the same");
    const move = (event) => {
      const box = map.getBoundingClientRect();
      const within = (x, size) => Math.max(0, Math.min(steps - 1, Math.floor(x / size * steps)));
      byId("second").value = within(event.clientX - box.left, box.width);
      byId("first").value = within(event.clientY - box.top, box.height);
      grid();
    };
    map.addEventListener("pointerdown", (event) => { map.setPointerCapture(event.pointerId); move(event); });
    map.addEventListener("pointermove", (event) => { if (event.buttons) move(event); });
  } else sections.map.remove();
  const count = isImages ? null : data.grids[0].length;
  sections.flat.hidden = data.dims.length < 2 || (count !== null && count < steps * steps);
  byId("first").addEventListener("input", grid);
  byId("second").addEventListener("input", grid);
  byId("along").addEventListener("input", line);
  byId("dim").addEventListener("change", line);
  const both = () => { if (!sections.flat.hidden) grid(); line(); };
  byId("class").addEventListener("change", both);
  byId("reset").addEventListener("click", () => {
    for (const id of ["first", "second", "along"]) byId(id).value = middle;
    both();
  });
  both();
}
start();
"""

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
<h1>{title}</h1>
<p>{subject}</p>
<p>Every row has a code of a few numbers. Move a slider to see what the model makes of another code.
Distances are in standard deviations of the codes of training rows. {note}</p>
<noscript><p>This page needs JavaScript; all of it is in this file.</p></noscript>
<div class="top">
<label>class <select id="class"></select></label>
<button id="reset" type="button">back to the middle</button>
</div>
<section id="plane">
<h2>The two main directions</h2>
<p>Those in which the codes of training rows differ most, from the middle of the class.</p>
<div class="panel">
<figure id="grid-place"></figure>
<div>
<label>first direction <output id="first-out" for="first"></output>
<input id="first" type="range" min="0" step="1"></label>
<label>second direction <output id="second-out" for="second"></output>
<input id="second" type="range" min="0" step="1"></label>
<figure id="map-place" class="map-of">
<figcaption>All places at once: the first direction goes down, the second to the right. Click or
drag.</figcaption>
</figure>
</div>
</div>
</section>
<section>
<h2>One number of the code</h2>
<p>The numbers in which codes differ most; all others stay as they are.</p>
<div class="panel">
<figure id="line-place"></figure>
<div>
<label>which <select id="dim"></select></label>
<label>its place <output id="along-out" for="along"></output>
<input id="along" type="range" min="0" step="1"></label>
</div>
</div>
</section>
</main>
<script type="application/json" id="data">{data}</script>
<script>{script}</script>
</body>
</html>
"""
