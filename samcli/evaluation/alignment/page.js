"use strict";
// Everything that a dataset or a model wrote reaches the page as text: nothing here builds markup from strings.
const data = JSON.parse(document.getElementById("data").textContent);
const find = (id) => document.getElementById(id);

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

const number = (value, signed) => `${signed && value > 0 ? "+" : ""}${value.toFixed(2)}`;

function cell(value) {
  if (value === null) return make("td");
  if (typeof value === "string") return make("td", {}, value);
  const signed = value.p !== null;
  const node = make("td", {}, number(value.value, signed));
  if (value.low !== null) node.append(make("small", {}, `[${number(value.low, signed)}, ${number(value.high, signed)}]`));
  if (signed) node.append(make("small", {}, `p = ${value.p.toFixed(3)}`));
  return node;
}

find("title").textContent = data.title;
// The first cell of a row is its dataset, which is said once, above its rows.
function datasetRows(name) {
  const rows = data.rows.filter((row) => row[0] === name);
  const head = make("tr", {}, make("th", { scope: "rowgroup", colspan: data.columns.length - 1 }, name));
  return make("tbody", {}, head, ...rows.map((row) => make("tr", {}, ...row.slice(1).map(cell))));
}

find("about").textContent = `sam ${data.version}`;
find("legend").textContent = data.datasets.some((one) => one.shown.length) ? data.legend
  : "These datasets say no words that tokens could be compared with.";
find("measures").append(
  make("thead", {}, make("tr", {}, ...data.columns.slice(1).map((column) => make("th", { scope: "col" }, column)))),
  ...[...new Set(data.rows.map((row) => row[0]))].map(datasetRows),
);
find("notes").append(...data.notes.map((note) => make("p", {}, note)));
for (const { name, shown } of data.datasets.filter((one) => one.shown.length)) {
  find("pictures").append(make("h3", {}, name), ...shown.map((one) => make("figure", {},
    make("figcaption", {}, one.asked, make("small", {}, one.wanted)),
    make("img", { src: one.picture, alt: one.words, loading: "lazy" }))));
}
