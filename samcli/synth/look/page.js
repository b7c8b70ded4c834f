"use strict";
// All texts reach the page by textContent: nothing here builds markup from strings.
const data = JSON.parse(document.getElementById("data").textContent);
const PAGE = 20;
const find = (id) => document.getElementById(id);
const state = { status: "", reason: "", kind: "", order: "", search: "", shown: PAGE };
const count = (number) => number.toLocaleString("en");

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== null && value !== undefined) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

function marked(text) {
  if (!state.search) return [text];
  const pieces = [], lower = text.toLowerCase();
  let from = 0;
  for (let at = lower.indexOf(state.search); at >= 0; at = lower.indexOf(state.search, from)) {
    pieces.push(text.slice(from, at), make("mark", {}, text.slice(at, at + state.search.length)));
    from = at + state.search.length;
  }
  return [...pieces, text.slice(from)];
}

function stepRow(step, most) {
  const share = (number) => `width:${most ? (100 * number) / most : 0}%`;
  const bar = make("div", { class: "bar", "aria-hidden": "true" }, make("i"), make("b"));
  bar.firstChild.style.cssText = share(step.passed);
  bar.lastChild.style.cssText = share(step.reached - step.passed);
  const per = step.reached ? ` (${Math.round((100 * step.passed) / step.reached)} %)` : "";
  const losses = step.losses.map(({ reason, failed, number }) => {
    const button = make("button", { type: "button", class: failed ? "failed" : null }, `${count(number)} ${reason}${failed ? " (failed)" : ""}`);
    button.addEventListener("click", () => choose(`${step.stage}: ${reason}`));
    return button;
  });
  return make("li", {}, make("span", {}, step.stage), bar,
    make("span", { class: "numbers" }, `${count(step.passed)}${per}`, make("span", { class: "quiet" }, ` of ${count(step.reached)}`)),
    make("div", { class: "losses" }, ...losses));
}

function choose(reason) {
  Object.assign(state, { status: "", reason: "", kind: "", search: "", shown: PAGE });
  find("reason").value = reason;
  state.reason = find("reason").value;
  show();
  find("controls").scrollIntoView({ behavior: "auto", block: "start" });
}

const value = (score) => (typeof score.value === "number" ? String(Number(score.value.toPrecision(3))) : score.value);

function figure(panel, many) {
  const about = make("figcaption", {}, ...marked(panel.caption));
  const measures = (panel.scores ?? []).filter((score) => score.out || !many).flatMap((score, place) => [place ? ", " : "", make("span", { class: score.out ? "out" : null },
    `${score.name} ${value(score)}${score.out ? ` (wanted ${score.limit})` : ""}`)]);
  if (measures.length) about.append(make("div", {}, ...measures));
  if (panel.fault !== undefined)
    return make("figure", { class: panel.stage }, make("div", { class: "fault" }, panel.fault), about);
  const [width, height] = panel.size;
  const image = make("img", { src: panel.small, alt: `${panel.stage}: ${panel.caption}`, loading: "lazy", decoding: "async", width, height });
  return make("figure", { class: panel.stage }, panel.file ? make("a", { href: panel.file }, image) : image, about);
}

function row({ title, panels }) {
  const stages = [...new Set(panels.map((panel) => panel.stage))];
  const steps = stages.map((stage, place) => {
    const own = panels.filter((panel) => panel.stage === stage), many = stage === "source" && own.length > 3;
    const arrow = place ? [make("span", { class: "arrow", "aria-hidden": "true" }, "→")] : [];
    return make("div", { class: many ? "step many" : "step" }, ...arrow, ...own.map((panel) => figure(panel, many)));
  });
  return make("section", {}, ...(title ? [make("h4", {}, ...marked(title))] : []), make("div", { class: "panels" }, ...steps));
}

function article(sample) {
  const line = (kind, text) => make("p", { class: kind }, ...marked(text));
  const why = [...sample.reasons, sample.detail].filter(Boolean).map((text) => line(sample.status === "failed" ? "why failed" : "why", text));
  why.push(...sample.earlier.map((reason) => line("quiet", `earlier try: ${reason}`)));
  const told = [["asked", sample.asked], ["answer", sample.answer], ...sample.texts].filter(([, text]) => text)
    .flatMap(([name, text]) => [make("dt", {}, name), make("dd", { class: name === "asked" ? "asked" : null }, ...marked(text))]);
  const scores = sample.scores.map((score) => make("tr", { class: score.out ? "out" : null }, make("td", {}, score.name),
    make("td", {}, value(score)), make("td", {}, score.limit ? `${score.out ? "wanted " : ""}${score.limit}` : "")));
  const aside = make("div", { class: "told" }, make("dl", {}, ...told));
  if (scores.length) aside.append(make("table", { "aria-label": "scores" }, make("tbody", {}, ...scores)));
  return make("article", { "aria-label": `sample ${sample.id}` },
    make("header", {}, make("h3", {}, `sample ${sample.id}`), make("span", { class: `status ${sample.status}` }, sample.status),
      make("span", { class: "quiet" }, sample.kind)), ...why,
    make("div", { class: "body" }, make("div", { class: "rows" }, ...sample.rows.map(row)), aside));
}

const haystack = new WeakMap();
function holds(sample) {
  if (!haystack.has(sample))
    haystack.set(sample, [`sample ${sample.id}`, sample.kind, sample.asked, sample.answer, sample.detail, ...sample.reasons, ...sample.earlier,
      ...sample.texts.flat(), ...sample.rows.flatMap(({ title, panels }) => [title, ...panels.map((panel) => panel.caption)])].join("\n").toLowerCase());
  return haystack.get(sample).includes(state.search);
}

const reasons = (sample) => [...sample.reasons, ...sample.earlier];

function chosen() {
  const found = data.samples.filter((sample) => (!state.status || sample.status === state.status)
    && (!state.kind || sample.kind === state.kind) && (!state.reason || reasons(sample).includes(state.reason))
    && (!state.search || holds(sample)));
  if (!state.order) return found;
  const way = state.order[0] === "-" ? -1 : 1, name = state.order.slice(1);
  const of = (sample) => sample.scores.find((score) => score.name === name)?.value;
  const known = (score) => typeof score === "number";
  return found.map((sample) => [of(sample), sample]).sort(([a], [b]) => (known(b) - known(a)) || (known(a) ? way * (a - b) : 0))
    .map(([, sample]) => sample);
}

const CONTROLS = ["status", "reason", "kind", "order", "search"];

// What is chosen stands behind the # of the address, so that it can be sent to somebody.
function fromAddress() {
  for (const [key, wanted] of new URLSearchParams(location.hash.slice(1))) {
    if (!CONTROLS.includes(key)) continue;
    const control = find(key);
    control.value = wanted;
    if (control.selectedIndex === -1) control.value = "";
    state[key] = key === "search" ? wanted.trim().toLowerCase() : control.value;
  }
}

function show() {
  for (const id of CONTROLS) if (id !== "search" || !state.search) find(id).value = state[id];
  history.replaceState(null, "", `#${new URLSearchParams(CONTROLS.filter((key) => state[key]).map((key) => [key, state[key]]))}`);
  const samples = chosen();
  find("samples").replaceChildren(...samples.slice(0, state.shown).map(article));
  tell(samples);
}

function tell(samples) {
  find("count").textContent = `${count(Math.min(state.shown, samples.length))} of ${count(samples.length)} samples shown`;
  find("more").hidden = samples.length <= state.shown;
}

function more() {
  const samples = chosen(), from = state.shown;
  state.shown += PAGE;
  find("samples").append(...samples.slice(from, state.shown).map(article));
  tell(samples);
}

function options(id, every, entries) {
  find(id).replaceChildren(make("option", { value: "" }, every), ...entries.map(([key, text]) => make("option", { value: key }, text)));
}

function tally(values) {
  const numbers = new Map();
  for (const each of values) if (each) numbers.set(each, (numbers.get(each) ?? 0) + 1);
  return [...numbers].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1)).map(([key, number]) => [key, `${key} (${count(number)})`]);
}

function begin() {
  const { samples, finished, wanted } = data;
  const endings = Object.entries(data.endings).map(([status, number]) => `${count(number)} ${status}`).join(", ");
  document.title = find("title").textContent = data.title;
  const part = samples.length < finished ? `${count(samples.length)} of them here, evenly spread; the funnel counts all` : "";
  find("about").textContent = [`${count(finished)} of ${count(wanted)} samples finished: ${endings}`, part, `sam ${data.version}`].filter(Boolean).join(" · ");
  find("funnel").replaceChildren(...data.funnel.map((step) => stepRow(step, data.funnel[0].reached)));
  options("status", `any (${count(samples.length)})`, tally(samples.map((sample) => sample.status)));
  options("reason", "any", tally(samples.flatMap((sample) => [...new Set(reasons(sample))])));
  options("kind", "any", tally(samples.map((sample) => sample.kind)));
  const names = [...new Set(samples.flatMap((sample) => sample.scores.map((score) => score.name)))].sort();
  options("order", "as made", names.flatMap((name) => [[`+${name}`, `${name}, least first`], [`-${name}`, `${name}, most first`]]));
  for (const id of ["status", "reason", "kind", "order"])
    find(id).addEventListener("change", (event) => { state[id] = event.target.value; state.shown = PAGE; show(); });
  let timer = 0;
  find("search").addEventListener("input", (event) => {
    clearTimeout(timer);
    timer = setTimeout(() => { state.search = event.target.value.trim().toLowerCase(); state.shown = PAGE; show(); }, 120);
  });
  find("clear").addEventListener("click", () => {
    Object.assign(state, { status: "", reason: "", kind: "", order: "", search: "", shown: PAGE });
    show();
  });
  find("controls").addEventListener("submit", (event) => event.preventDefault());
  find("more").addEventListener("click", more);
  fromAddress();
  show();
}

begin();
