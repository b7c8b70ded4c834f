"use strict";
// Everything that a model wrote reaches the page as text, by textContent: nothing here builds markup from strings.
const data = JSON.parse(document.getElementById("data").textContent);
const PAGE = 40;
const find = (id) => document.getElementById(id);
const state = { dataset: 0, order: "order", metric: 0, model: 0, other: 1, search: "", shown: PAGE };

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== null && value !== undefined) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

function drawing(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

const number = (value) => (value === null || value === undefined ? "" : value.toFixed(2));

function ranks(rows, key) {
  const values = rows.map((row, place) => [row.scores[key], place]).filter(([value]) => value !== undefined);
  values.sort((first, second) => second[0] - first[0]);
  return values.length < 2 ? {} : { [values[0][1]]: "best", [values[1][1]]: "second" };
}

function scoreTable(dataset) {
  const ours = data.models.filter((model) => dataset in model.datasets)
    .map((model) => ({ name: model.name, scores: model.datasets[dataset], kind: model.control ? "control" : "ours" }));
  const theirs = data.published.filter((row) => dataset in row.datasets)
    .map((row) => ({ name: row.name, scores: row.datasets[dataset], kind: "published", note: row.note }));
  const plain = ours.filter((row) => row.kind === "ours");
  const head = make("tr", {}, make("th", { scope: "col" }, "model"), make("th", { scope: "col" }, "n"),
    make("th", { scope: "col" }, "failed"), ...data.metrics.map((metric) => make("th", { scope: "col" }, metric.name)));
  const best = Object.fromEntries(data.metrics.map((metric) => [metric.key, ranks(plain, metric.key)]));
  const bestTheirs = Object.fromEntries(data.metrics.map((metric) => [metric.key, ranks(theirs, metric.key)]));
  const body = [...ours, ...theirs].map((row) => {
    const cells = data.metrics.map((metric) => {
      const rank = row.kind === "ours" ? best[metric.key][plain.indexOf(row)]
        : row.kind === "published" ? bestTheirs[metric.key][theirs.indexOf(row)] : undefined;
      const cell = make("td", {}, make("span", { class: rank ?? "" }, number(row.scores[metric.key])));
      const interval = row.scores.ci95?.[metric.key];
      if (interval) cell.append(make("small", {}, `${number(interval[0])} to ${number(interval[1])}`));
      for (const [other, gaps] of Object.entries(row.scores.versus ?? {})) {
        const gap = gaps[metric.key];
        if (gap) cell.append(make("small", {}, `${gap.difference > 0 ? "+" : ""}${number(gap.difference)} to ${other}, p = ${(gap.p_holm ?? gap.p).toFixed(3)}`));
      }
      return cell;
    });
    const label = make("td", {}, row.name);
    if (row.note) label.append(make("small", {}, row.note));
    return make("tr", { class: row.kind }, label, make("td", {}, String(row.scores.n ?? "")),
      make("td", {}, String(row.scores.failed ?? "")), ...cells);
  });
  return make("div", {}, make("h3", {}, dataset),
    make("div", { class: "scroll" }, make("table", {}, make("thead", {}, head), make("tbody", {}, ...body))));
}

function intervalPlot(dataset, metric) {
  const rows = data.models.filter((model) => model.datasets[dataset]?.ci95?.[metric.key]);
  const ends = rows.flatMap((model) => model.datasets[dataset].ci95[metric.key]);
  const [low, high] = [Math.min(...ends), Math.max(...ends)];
  const span = high - low || 1;
  const width = 340, left = 120, right = 12, step = 22, height = rows.length * step + 24;
  const at = (value) => left + ((value - low) / span) * (width - left - right);
  const marks = rows.flatMap((model, place) => {
    const scores = model.datasets[dataset], y = place * step + 14;
    const [from, to] = scores.ci95[metric.key];
    const kind = model.control ? "control" : "";
    const name = model.name.length > 20 ? `${model.name.slice(0, 19)}…` : model.name;
    const label = drawing("text", { x: 0, y: y + 4, class: kind }, name);
    label.append(drawing("title", {}, model.name));
    return [label, drawing("line", { x1: at(from), x2: at(to), y1: y, y2: y, class: `interval ${kind}` }),
      drawing("circle", { cx: at(scores[metric.key]), cy: y, r: 4, class: kind })];
  });
  const axis = (low === high ? [low] : [low, high]).map((value, place) => drawing("text", { x: at(value), y: height - 4, class: "axis",
    "text-anchor": place ? "end" : "start" }, number(value)));
  const picture = drawing("svg", { viewBox: `0 0 ${width} ${height}`, role: "img",
    "aria-label": `${metric.name} on ${dataset}, with 95 % intervals` },
    drawing("line", { x1: left, x2: width - right, y1: height - 18, y2: height - 18 }), ...marks, ...axis);
  return make("figure", {}, make("figcaption", {}, `${dataset}: ${metric.name}, 95 % intervals`), picture);
}

function marked(text, wanted) {
  if (!wanted) return [text];
  const pieces = [], lower = text.toLowerCase();
  let from = 0;
  for (let at = lower.indexOf(wanted); at >= 0; at = lower.indexOf(wanted, from)) {
    pieces.push(text.slice(from, at), make("mark", {}, text.slice(at, at + wanted.length)));
    from = at + wanted.length;
  }
  return [...pieces, text.slice(from)];
}

// The colours of the boxes that models name; that of the reference is in the style.
const COLOURS = ["#ff7a1a", "#3f8cff", "#e04fd0", "#ffd400", "#00c2c7", "#b07aff"];
const colour = (place) => `border-color: ${COLOURS[place % COLOURS.length]}`;

function boxesOf(sample) {
  const drawn = (box, attributes) => {
    const [left, top, width, height] = box;
    return make("i", { ...attributes, style: `left: ${left}%; top: ${top}%; width: ${width}%; height: ${height}%; ${attributes.style ?? ""}` });
  };
  return [  // the reference last: its dashes let an answer's line be seen below them
    ...sample.said.flatMap((said, place) => said?.box
      ? [drawn(said.box, { class: "box", title: data.models[place].name, style: colour(place) })] : []),
    ...sample.boxes.filter(Boolean).map((box) => drawn(box, { class: "box wanted", title: "reference" })),
  ];
}

// A name with the mark of its box, if it has one: the legend of what is drawn over the picture.
function named(name, box, attributes) {
  return make("dt", {}, ...(box ? [make("i", { ...attributes, class: `key ${attributes.class ?? ""}` })] : []), name);
}

function article(sample) {
  const pictures = sample.pictures.map((place, index) => data.pictures[place]
    ? make("div", { class: "picture" }, make("img", { src: data.pictures[place], alt: `picture ${index + 1}`, loading: "lazy" }), ...boxesOf(sample))
    : make("span", {}, `picture ${index + 1} can't be read`));
  const rows = [make("dt", {}, "asked"), make("dd", {}, ...marked(sample.asked, state.search)), make("dd")];
  sample.wanted.forEach((text, place) =>
    rows.push(named("reference", sample.boxes[place], { class: "wanted" }), make("dd", { class: "reference" }, ...marked(text, state.search)), make("dd")));
  sample.said.forEach((said, place) => {
    if (!said) return;
    const text = said.error ? make("dd", { class: "error" }, `no answer: ${said.error}`)
      : make("dd", {}, ...marked(said.text || "(empty)", state.search));
    const scores = data.metrics.map((metric, index) => `${metric.name} ${said.scores[index].toFixed(1)}`).join(" · ");
    rows.push(named(data.models[place].name, said.box, { style: colour(place) }), text, make("dd", { class: "scores" }, scores));
  });
  return make("article", {}, make("header", {}, make("span", {}, `sample ${sample.id}`)),
    make("div", { class: "pictures" }, ...pictures), make("dl", {}, ...rows));
}

const haystack = new WeakMap();
function holds(sample, wanted) {
  if (!haystack.has(sample))
    haystack.set(sample, [sample.id, sample.asked, ...sample.wanted, ...sample.said.map((said) => said?.text ?? "")].join("\n").toLowerCase());
  return haystack.get(sample).includes(wanted);
}

function chosen() {
  const { order, metric, model, other, search } = state;
  const score = (sample, place) => sample.said[place]?.scores[metric] ?? 0;
  const gap = (sample) => Math.abs(score(sample, model) - score(sample, other));
  let samples = data.datasets[state.dataset].samples;
  if (search) samples = samples.filter((sample) => holds(sample, search));
  if (order === "failed") return samples.filter((sample) => sample.said[model]?.error);
  if (order === "order") return samples;
  const by = { worst: (a, b) => score(a, model) - score(b, model), best: (a, b) => score(b, model) - score(a, model),
    gap: (a, b) => gap(b) - gap(a) }[order];
  return [...samples].sort(by);
}

// What is chosen stands behind the # of the address, so that it can be sent to somebody.
function fromAddress() {
  for (const [key, value] of new URLSearchParams(location.hash.slice(1))) {
    if (!(key in state) || key === "shown") continue;
    const control = find(key), before = control.value;
    control.value = value;
    if (key !== "search" && control.value !== value) control.value = before;
    else state[key] = key === "search" ? value.toLowerCase() : key === "order" ? value : Number(value);
  }
}

function toAddress() {
  const { shown, ...rest } = state;
  history.replaceState(null, "", `#${new URLSearchParams(rest)}`);
}

function show() {
  const samples = chosen();
  find("samples").replaceChildren(...samples.slice(0, state.shown).map(article));
  find("count").textContent = `${Math.min(state.shown, samples.length)} of ${samples.length} samples shown`;
  find("more").hidden = samples.length <= state.shown;
  const several = data.models.length > 1;
  find("other-label").hidden = state.order !== "gap" || !several;
}

function options(id, names) {
  find(id).replaceChildren(...names.map((name, place) => make("option", { value: place }, name)));
}

function begin() {
  document.title = find("title").textContent = data.title;
  find("about").textContent = [data.signature, `sam ${data.version}`, ...data.decoding, ...data.left_out.map((line) => `left out: ${line}`)].join(" · ");
  const names = data.datasets.map((dataset) => dataset.name);
  find("tables").replaceChildren(...names.map(scoreTable));
  find("plots").replaceChildren(...names.flatMap((name) => data.metrics.map((metric) => intervalPlot(name, metric))));
  options("dataset", names.map((name, place) => `${name} (${data.datasets[place].samples.length})`));
  options("metric", data.metrics.map((metric) => metric.name));
  for (const id of ["model", "other"]) options(id, data.models.map((model) => model.name));
  if (data.models.length < 2) {
    find("order").querySelector("[value=gap]").remove();
    state.other = 0;
  } else find("other").value = "1";
  for (const id of ["dataset", "order", "metric", "model", "other"])
    find(id).addEventListener("change", (event) => {
      state[id] = id === "order" ? event.target.value : Number(event.target.value);
      state.shown = PAGE;
      toAddress();
      show();
    });
  let timer = 0;
  find("search").addEventListener("input", (event) => {
    clearTimeout(timer);
    timer = setTimeout(() => { state.search = event.target.value.trim().toLowerCase(); state.shown = PAGE; toAddress(); show(); }, 120);
  });
  find("controls").addEventListener("submit", (event) => event.preventDefault());
  find("more").addEventListener("click", () => { state.shown += PAGE; show(); });
  fromAddress();
  show();
}

begin();
