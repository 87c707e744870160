// charts: they draw what the page says in text. A 0..100 × height box is stretched for lines; percentages do for the rest.
const NS = "http://www.w3.org/2000/svg";
const MOST_POINTS = 450;
function svg(tag, attributes, parent) {
  const node = document.createElementNS(NS, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  parent?.append(node);
  return node;
}
const numbers = el => (el.dataset.points || "").split(",").filter(Boolean).map(Number).filter(Number.isFinite);

function trace(into, points, max, height, top = 0) {
  const box = svg("svg", { viewBox: `0 0 100 ${height}`, preserveAspectRatio: "none", width: "100%", height: "100%" }, into);
  const y = value => (height - (value / max) * (height - top)).toFixed(2), step = 100 / Math.max(points.length - 1, 1);
  const line = points.map((value, at) => `${at ? "L" : "M"}${(at * step).toFixed(2)} ${y(value)}`).join("");
  svg("path", { d: `${line}L100 ${height}L0 ${height}Z`, class: "area" }, box);
  svg("path", { d: line, class: "line" }, box);
  return y;
}

function sparkline(el) {
  const points = numbers(el), max = Math.max(...points, 0) * 1.08 || 1;
  const chart = svg("svg", { class: "chart", role: "img", "aria-label": el.dataset.label || "trend" });
  svg("line", { x1: 0, x2: "100%", y1: "100%", y2: "100%", class: "base" }, chart);
  if (points.length > 1) {
    const y = trace(chart, points, max, 24, 2);
    svg("circle", { cx: "100%", cy: `${(y(points.at(-1)) / 24) * 100}%`, r: 2.5, class: "now" }, chart);
  }
  el.replaceChildren(chart);
}

// one voice on the staff
function lane(el) {
  const H = 46, points = numbers(el), chart = svg("svg", { class: "chart", role: "img", "aria-label": el.dataset.label || "trend" });
  for (let at = 1; at < 15; at++) svg("line", { x1: `${(at / 15) * 100}%`, x2: `${(at / 15) * 100}%`, y1: 0, y2: H, class: "barline", opacity: at % 5 ? 0.45 : 1 }, chart);
  svg("line", { x1: 0, x2: "100%", y1: H - 1, y2: H - 1, class: "base" }, chart);
  if (points.length > 1) trace(svg("svg", { y: 0, width: "100%", height: H - 1 }, chart), points, Math.max(...points) * 1.15 || 1, H - 1, 8);
  el.replaceChildren(chart);
}
const draw = el => (el.classList.contains("track") ? lane : sparkline)(el);
const drawAll = from => $$("[data-feed], [data-points]", from).forEach(draw);
