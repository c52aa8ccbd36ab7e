"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const steps = data.stops.length, middle = Math.floor(steps / 2), isImages = data.kind === "images";
const byId = (id) => document.getElementById(id);
const sign = (x) => (x > 0 ? "+" : x < 0 ? "\u2212" : "") + Math.abs(x).toFixed(1);
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
