// Madrigal's first page. One file, no library, no build step. Every text goes in as text, never as HTML.
"use strict";
const root = document.documentElement;
const $ = (selector, from = document) => from.querySelector(selector);
const $$ = (selector, from = document) => [...from.querySelectorAll(selector)];

// theme: the system's unless chosen; before the first paint, so this file is loaded in <head>
const asked = new URLSearchParams(location.search).get("theme");
let chosen = null;
try { chosen = localStorage.getItem("theme"); } catch { /* storage refused: follow the system */ }
if (asked || chosen) root.dataset.theme = asked || chosen;
const isDark = () => (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";

// building: el("p", {class: "dim"}, "text", node)
const NS = "http://www.w3.org/2000/svg";
function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) node.setAttribute(name, "");
    else if (typeof value === "function") node.addEventListener(name, value);
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children.filter(child => child != null && child !== ""));
  return node;
}
function shape(kind, id) {
  const svg = document.createElementNS(NS, "svg"), use = document.createElementNS(NS, "use");
  for (const [name, value] of [["class", kind], ["viewBox", "0 0 16 16"], ["aria-hidden", "true"]]) svg.setAttribute(name, value);
  use.setAttribute("href", "#" + id);
  svg.append(use);
  return svg;
}
const mark = (tone, glyph, word) => el("span", { class: `mark ${tone}` }, shape("glyph", `g-${glyph}`), word);
const message = (tone, glyph, ...children) => el("div", { class: `msg ${tone}` }, shape("glyph", `g-${glyph}`), el("div", {}, ...children));

// words: money, times, ids
function money(amount, currency) {
  try {
    const format = new Intl.NumberFormat("en-IE", { style: "currency", currency });
    return format.format(amount / 10 ** format.resolvedOptions().maximumFractionDigits).replace("-", "−");
  } catch { return `${amount} ${currency}`; }
}
const shortId = id => String(id).length > 14 ? `${String(id).slice(0, 8)}…${String(id).slice(-4)}` : String(id);
const clock = text => text ? String(text).slice(11, 19) : "";
const when = text => el("time", { datetime: text, class: "nowrap" }, text ? `${String(text).slice(0, 10)} ${clock(text)}` : "");
const plural = (count, one, many = one + "s") => `${count} ${count === 1 ? one : many}`;

// the API. A problem is thrown as {status, problem}; a failure to reach the shop as {status: 0}
let session = null; // {token, userId, name}: in memory only, on purpose
let position = null; // how far our own writes went: reads that carry it see them
async function api(method, path, { body, headers = {}, signal } = {}) {
  const sent = { Accept: "application/json, application/problem+json", ...headers };
  if (session) sent.Authorization = `Bearer ${session.token}`;
  if (body !== undefined) sent["Content-Type"] = "application/json";
  let answer, text;
  try {
    answer = await fetch(path, { method, headers: sent, body: body === undefined ? undefined : JSON.stringify(body), signal, cache: "no-store", credentials: "omit" });
    text = await answer.text();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw { status: 0, problem: { title: "The shop did not answer", detail: "The connection broke before the answer was complete. It is not known whether the request had its effect.", retryable: true } };
  }
  let value = null;
  try { value = text ? JSON.parse(text) : null; } catch { /* not JSON: the status says enough */ }
  if (answer.ok) return { status: answer.status, value, headers: answer.headers };
  if (answer.status === 401 && session && path !== "/v1/sessions") logOut("Your log-in has ended. Log in again.");
  throw { status: answer.status, problem: value || { title: `The shop answered ${answer.status}`, detail: "Without saying why." } };
}

// a problem in words: what, why, every line of it, and where to read on
function problemBox({ status, problem }, ...actions) {
  const tone = problem.retryable ? "wait" : "bad", glyph = problem.outcome === "unknown" || status === 0 ? "unk" : problem.retryable ? "clock" : "fail";
  const box = message(tone, glyph, el("b", {}, problem.title || "Refused"), problem.detail ? el("p", {}, problem.detail) : "");
  const lines = (problem.errors || []).map(line => el("li", {}, el("code", {}, line.pointer || "the body"), ` ${line.detail}`));
  for (const line of problem.lines || []) lines.push(el("li", {}, outOfStock(line)));
  if (problem.reason) lines.push(el("li", {}, `Reason: ${problem.reason}`));
  if (lines.length) box.lastChild.append(el("ul", {}, ...lines));
  const small = el("p", { class: "tiny" }, status ? `${status} ` : "");
  if (/^\/docs\/problems\/[a-z0-9-]+$/.test(problem.type || "")) small.append(el("a", { href: problem.type }, problem.code || "about this problem"));
  if (problem.traceId) small.append(" trace ", el("code", {}, problem.traceId));
  if (small.childNodes.length) box.lastChild.append(small);
  if (actions.length) box.lastChild.append(el("div", { class: "row" }, ...actions));
  box.classList.add("problem");
  return box;
}
function outOfStock(line) {
  const known = basket.get(line.productId)?.product.name || line.productId || "a line";
  const left = line.available ?? line.left, wanted = line.requested ?? line.wanted ?? line.quantity;
  return left == null ? `${known}: not enough in stock` : `${known}: ${wanted ?? "more"} wanted, ${left} left`;
}
const show = (place, ...children) => $(place).replaceChildren(...children);

// what runs: /health, every few seconds unless held
const HEALTH_EVERY = 4000;
let held = false, lastHealth = null;
async function refreshHealth() {
  if (held || document.hidden) return;
  try {
    const answer = await fetch("/health", { headers: { Accept: "application/json" }, cache: "no-store", credentials: "omit" });
    showHealth(byService(await answer.json()));
    lastHealth = new Date().toISOString();
    show("#asof", "As of ", when(lastHealth), " UTC");
    $("#live .beat").classList.remove("lost");
    $("#live .word").textContent = "Live";
  } catch {
    $("#live .beat").classList.add("lost");
    $("#live .word").textContent = lastHealth ? `Not live since ${clock(lastHealth)}` : "Not live";
  }
}
// /health tells by kind of check, then by service; people ask by service
function byService(health) {
  const services = new Map();
  for (const [name, check] of Object.entries(health.checks)) {
    for (const [service, own] of Object.entries(check.services || {})) {
      if (!services.has(service)) services.set(service, []);
      services.get(service).push({ name, ...own });
    }
  }
  return services;
}
const CHECK_NAMES = { database: "database", eventStore: "event store", messageQueue: "messages", cache: "cache", consistency: "consistency" };
const checkName = name => CHECK_NAMES[name] || spaced(name);
const isFine = check => check.status === "healthy";
const isFailed = check => check.status === "unhealthy";
function showHealth(services) {
  const body = $("#services");
  let fine = 0, failed = 0, slow = 0;
  const rows = new Map($$("tr", body).map(row => [row.dataset.service, row]));
  for (const name of services.keys()) {
    if (rows.has(name)) continue;
    const short = name.replace(/-service$/, ""), row = el("tr", { "data-service": name });
    row.append(el("th", { scope: "row" }, el("span", { class: "voice" }, shape(`note v-${short}`, `n-${short}`), short)),
      el("td", { "data-l": "State" }), el("td", { "data-l": "Runs", class: "wide-only" }), el("td", { "data-l": "Its checks" }));
    body.append(row);
    rows.set(name, row);
  }
  for (const [name, row] of rows) {
    const checks = services.get(name) || [], [, state, , detail] = row.children;
    const bad = checks.filter(isFailed), odd = checks.filter(check => !isFine(check) && !isFailed(check));
    if (!checks.length) { state.replaceChildren(mark("calm", "unk", "no word")); detail.replaceChildren("It reports no checks."); continue; }
    if (bad.length) failed++; else if (odd.length) slow++; else fine++;
    state.replaceChildren(bad.length ? mark("bad", "fail", "failing") : odd.length ? mark("wait", "clock", "degraded") : mark("ok", "done", "running"));
    const told = [...bad, ...odd];
    detail.replaceChildren(...(told.length
      ? told.map(check => el("div", {}, el("b", {}, checkName(check.name)), `: ${check.detail || check.status}`))
      : [checks.map(check => checkName(check.name)).join(", ")]));
  }
  const all = fine + failed + slow;
  show("#headline", failed ? `${plural(failed, "service")} of ${all} ${failed === 1 ? "does" : "do"} not work` : slow ? `All ${all} services run, ${slow} with difficulty` : `All ${all} services run`);
  show("#subline", failed || slow ? "What is wrong stands below. Orders are accepted only if every part that they need answers." : "Search, fill the basket, place an order, and see what became of it in every store.");
  const sums = [];
  if (fine) sums.push(mark("ok", "done", `${fine} running`));
  if (slow) sums.push(mark("wait", "clock", `${slow} degraded`));
  if (failed) sums.push(mark("bad", "fail", `${failed} failing`));
  show("#sum", el("a", { href: "#runs" }, ...sums));
}

// search: as you type, the newest question wins
let searching = null, next = null;
async function search(cursor = null) {
  searching?.abort();
  const mine = searching = new AbortController(), q = $("#q").value.trim(), query = new URLSearchParams();
  if (q) query.set("q", q);
  if ($("#sort").value) query.set("sort", $("#sort").value);
  if ($("#in-stock").checked) query.set("inStock", "true");
  if (cursor) query.set("cursor", cursor);
  const began = performance.now();
  try {
    const { value } = await api("GET", `/v1/products/search${query.size ? `?${query}` : ""}`, { signal: mine.signal });
    const cards = (value.items || []).map(product => card(product, q));
    cursor ? $("#products").append(...cards) : show("#products", ...cards);
    next = value.next || null;
    $("#more").hidden = !next;
    show("#search-problem");
    const count = $("#products").children.length, took = Math.round(performance.now() - began);
    show("#found", count ? `${plural(count, "product")}${next ? " so far" : ""}${q ? ` for “${q}”` : ""}, found in ${took} ms` : q ? `Nothing matches “${q}”${$("#in-stock").checked ? " and is in stock" : ""}. Try fewer letters.` : "The catalogue is empty. Import products, or start with --demo.");
  } catch (refusal) {
    if (refusal.name === "AbortError") return;
    show("#found", "The search was not answered.");
    show("#search-problem", problemBox(refusal, el("button", { class: "btn small", type: "button", click: () => search() }, "Search again")));
  }
}
function highlighted(text, q) {
  const words = q.toLowerCase().split(/[^\p{L}\p{N}]+/u).filter(word => word.length > 1), parts = [];
  let rest = String(text);
  while (rest && words.length) {
    const at = words.map(word => [rest.toLowerCase().indexOf(word), word.length]).filter(([i]) => i >= 0).sort((a, b) => a[0] - b[0])[0];
    if (!at) break;
    parts.push(rest.slice(0, at[0]), el("mark", {}, rest.slice(at[0], at[0] + at[1])));
    rest = rest.slice(at[0] + at[1]);
  }
  return [...parts, rest];
}
const available = product => product.inventory?.available ?? product.available ?? null;
function card(product, q) {
  const left = available(product), none = left !== null && left <= 0, price = product.price || {};
  const kind = [product.brand, (product.category || []).map(category => category.name).filter(Boolean).at(-1)].filter(Boolean).join(", ");
  const off = price.discount ? Math.round(price.amount * (1 - price.discount / 10000)) : price.amount;
  const stock = left === null ? mark("calm", "unk", "stock not told") : none ? mark("bad", "fail", "out of stock") : left < 10 ? mark("wait", "clock", `only ${left} left`) : mark("ok", "done", `${left} in stock`);
  const add = el("button", { class: "btn small", type: "button", click: () => { change(product, (basket.get(product.productId)?.quantity || 0) + 1); } }, "Add", el("span", { class: "visually-hidden" }, ` ${product.name}`));
  return el("li", { class: none ? "card out" : "card" },
    el("div", {}, el("h3", {}, ...highlighted(product.name, q)), el("p", {}, kind)),
    el("span", { class: "price" }, money(off, price.currency), price.discount ? " " : "", price.discount ? el("s", {}, money(price.amount, price.currency)) : ""),
    el("footer", {}, el("span", { class: "small" }, stock), add));
}

// basket: what is ordered; the sums here are a forecast, the shop computes its own
const basket = new Map(), TAX_PERCENT = 8;
function change(product, quantity) {
  if (attempt) return $("#answer").focus(); // the outcome of this very basket is still open
  if (quantity > 0) basket.set(product.productId, { product, quantity }); else basket.delete(product.productId);
  drawBasket();
}
function drawBasket() {
  const rows = [];
  let total = 0, discount = 0, currency = "EUR";
  for (const { product, quantity } of basket.values()) {
    const line = product.price.amount * quantity;
    total += line;
    discount += Math.floor((line * (product.price.discount || 0) + 5000) / 10000);
    currency = product.price.currency;
    rows.push(el("label", { for: `n-of-${product.productId}` }, product.name),
      el("input", { id: `n-of-${product.productId}`, type: "number", min: 0, max: 1000000, value: quantity, disabled: Boolean(attempt), change: event => change(product, Math.floor(Number(event.target.value) || 0)) }),
      el("span", { class: "num" }, money(line, currency)));
  }
  const sum = (name, amount, strong) => rows.push(el("span", { class: "sum" }, strong ? el("b", {}, name) : name), el("span", { class: "num" }, strong ? el("b", {}, money(amount, currency)) : money(amount, currency)));
  if (rows.length) {
    const tax = Math.floor(((total - discount) * TAX_PERCENT + 50) / 100);
    rows.push(el("hr"));
    if (discount) sum("Discount", -discount);
    sum(`Tax ${TAX_PERCENT} %`, tax);
    sum("To pay", total - discount + tax, true);
  } else rows.push(el("p", { class: "dim sum" }, "The basket is empty. Add something from the list."));
  show("#lines", ...rows);
  const pieces = [...basket.values()].reduce((sum, { quantity }) => sum + quantity, 0);
  show("#basket-link", pieces ? `Basket: ${plural(pieces, "piece")}` : "Basket is empty");
  const button = $("#place-button");
  button.disabled = !basket.size || !session || Boolean(attempt?.running);
  button.textContent = attempt?.running ? "Placing the order …" : attempt ? "Try again with the same key" : session ? "Place order" : "Log in to place an order";
  for (const control of ["#address", "#token"]) $(control).disabled = Boolean(attempt);
}

// placing: one key per intention. It is kept while the outcome is unknown and dropped when it is known
let attempt = null; // {key, body, running}
// randomUUID is missing where the page did not come over a secure connection or loopback
const newKey = () => crypto.randomUUID?.() ?? [...crypto.getRandomValues(new Uint8Array(16))].map(byte => byte.toString(16).padStart(2, "0")).join("");
async function place() {
  const by = session;
  if (!attempt) {
    const items = [...basket.values()].map(({ product, quantity }) => ({ productId: product.productId, quantity }));
    attempt = { key: newKey(), body: { items, shippingAddress: { line1: $("#address").value }, paymentMethod: { token: $("#token").value } } };
  }
  attempt.running = true;
  drawBasket();
  show("#key-says", "Idempotency-Key ", el("code", {}, shortId(attempt.key)), ". Pressing twice orders once.");
  show("#answer", el("p", { class: "small dim" }, "Reserving the stock, charging, writing the order."));
  try {
    const { value, headers } = await decided();
    if (session !== by) return;
    position = headers.get("Madrigal-Position") || position;
    attempt = null;
    basket.clear();
    show("#answer", message("ok", "done", el("b", {}, `Order ${shortId(value.orderId)} is placed`), el("p", {}, `${money(value.summary.finalAmount, value.currency)} charged. What follows (confirming the stock, the mail) happens by itself.`)));
    show("#key-says", "Pressing twice orders once: both presses carry the same Idempotency-Key.");
    open(value, true);
    readOrders();
    search();
  } catch (refusal) {
    if (session !== by) return;
    const unknown = refusal.status === 0 || refusal.status === 202 || refusal.status >= 500 || refusal.status === 429 || refusal.status === 408;
    if (unknown) {
      attempt.running = false;
      show("#answer", problemBox(refusal, el("button", { class: "btn quiet small", type: "button", click: forget }, "Give this try up")));
    } else {
      attempt = null;
      show("#answer", problemBox(refusal));
      if (refusal.status === 409) search();
    }
  }
  drawBasket();
  $("#answer").focus({ preventScroll: true });
}
// 202 means that it goes on by itself: the same request with the same key tells how it ended
async function decided() {
  for (let round = 0; ; round++) {
    const answer = await api("POST", "/v1/orders", { body: attempt.body, headers: { "Idempotency-Key": attempt.key, Prefer: `wait=${round ? 20 : 5}` } });
    if (answer.status !== 202) return answer;
    if (round === 6) throw { status: 202, problem: { title: "The order is still under way", detail: "It goes on by itself. Ask again with the same key to see how it ended.", retryable: true } };
    show("#answer", message("wait", "clock", el("b", {}, "Under way"), el("p", {}, "It takes longer than five seconds. It goes on by itself, also without this page. "), el("p", { class: "tiny" }, "saga ", el("code", {}, shortId(answer.value?.sagaId || "")))));
  }
}
function forget() {
  attempt = null;
  show("#answer", el("p", { class: "small dim" }, "Given up here; the shop may still have placed it. Look at your orders before ordering again."));
  drawBasket();
  readOrders();
}

// an order: status, timeline, events, saga
const STATUS = { draft: ["calm", "clock"], confirmed: ["ok", "done"], shipped: ["ok", "run"], delivered: ["ok", "done"], cancelled: ["calm", "undo"] };
const statusMark = status => mark(...(STATUS[status] || ["calm", "unk"]), status);
const VOICE_OF_STEP = [[/reserv|stock/, "catalog"], [/pay|refund|charge/, "payment"], [/mail|send|notif/, "notification"], [/user/, "user"]];
const voiceOf = step => VOICE_OF_STEP.find(([words]) => words.test(step))?.[1] || "order";
let shown = null, watching = 0;
const seen = () => position ? { "Madrigal-Position": position } : {};
async function open(order, scroll = false) {
  shown = order.orderId;
  const mine = ++watching;
  if (scroll) $("#order").scrollIntoView({ block: "start", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  drawOrder(order, null, null);
  // the steps after the answer (stock, mail) end a moment later: look again until they have
  for (let round = 0; round < 20 && mine === watching; round++) {
    const [now, events, saga] = await Promise.allSettled([
      api("GET", `/v1/orders/${encodeURIComponent(order.orderId)}`, { headers: seen() }),
      api("GET", `/v1/orders/${encodeURIComponent(order.orderId)}/events`),
      order.sagaId ? api("GET", `/v1/sagas/${encodeURIComponent(order.sagaId)}`) : Promise.resolve({ value: null }),
    ]);
    if (mine !== watching) return;
    const failed = [now, events, saga].find(part => part.status === "rejected");
    show("#order-problem", ...(failed ? [problemBox(failed.reason)] : []));
    if (now.status === "fulfilled") order = now.value.value;
    drawOrder(order, events.value?.value?.items ?? null, saga.value?.value ?? null);
    if (!GOES_ON.includes(saga.value?.value?.state)) return round && search();
    await new Promise(resolve => setTimeout(resolve, 1000));
  }
}
function drawOrder(order, events, saga) {
  const head = el("header", {}, el("h2", {}, "Order ", el("code", { title: order.orderId }, shortId(order.orderId))), statusMark(order.currentStatus));
  const sums = order.summary || {}, amount = value => money(value, order.currency);
  const facts = el("dl", { class: "kv" });
  const fact = (name, ...value) => facts.append(el("dt", {}, name), el("dd", {}, ...value));
  fact("For", order.customerInfo?.erased ? "a person who was erased" : `${order.customerInfo?.name || ""} ${order.customerInfo?.email ? `<${order.customerInfo.email}>` : ""}`.trim());
  fact("Items", (order.items || []).map(item => `${item.quantity} × ${item.name}`).join(", "));
  fact(order.payment ? "Paid" : "Comes to", el("b", {}, amount(sums.finalAmount)), ` (${amount(sums.totalAmount)}${sums.discountAmount ? `, discount ${amount(sums.discountAmount)}` : ""}, tax ${amount(sums.taxAmount)})${order.payment?.lastFour ? `, card ending ${order.payment.lastFour}` : ""}`);
  if (order.trackingNumber) fact("Travels", `${order.carrier || ""} ${order.trackingNumber}`);
  const parts = [head, el("div", { class: "pad" }, facts)];
  parts.push(el("div", { class: "pad" }, el("h3", {}, "What happened"), el("ol", { class: "plain feed" }, ...(order.timeline || []).map(entry =>
    el("li", { class: (STATUS[entry.status] || ["calm"])[0] }, shape("glyph", `g-${(STATUS[entry.status] || ["", "clock"])[1]}`), el("div", {}, el("b", {}, entry.status), entry.note ? el("p", { class: "small dim" }, entry.note) : ""), when(entry.timestamp))))));
  if (saga) parts.push(sagaPart(saga));
  if (events) parts.push(eventsPart(events));
  const cancellable = ["confirmed", "draft"].includes(order.currentStatus);
  parts.push(el("footer", { class: "row apart" },
    el("span", {}, cancellable ? "Cancelling gives stock and money back, once." : `It can't be cancelled any more: it is ${order.currentStatus}.`),
    cancellable ? el("button", { class: "btn severe small", type: "button", click: () => cancel(order) }, "Cancel the order …") : ""));
  const open = $$("#one-order details").map(node => node.open);
  show("#one-order", el("section", { class: "panel", "aria-label": "The order" }, ...parts));
  $$("#one-order details").forEach((node, at) => { node.open = Boolean(open[at]); });
  $("#no-order").hidden = true;
}
const STATES = { // of sagas and of their steps
  running: ["calm", "run"], compensating: ["calm", "undo"], paused: ["wait", "pause"], stuck: ["bad", "stuck"], parked: ["wait", "stuck"], completed: ["ok", "done"],
  compensated: ["calm", "undo"], compensatedByHand: ["calm", "undo"], abandoned: ["calm", "no"], waiting: ["calm", "clock"], unknown: ["wait", "unk"], failed: ["bad", "fail"],
  rejected: ["bad", "no"], done: ["ok", "done"], skipped: ["calm", "no"], undoing: ["calm", "undo"], undoFailed: ["bad", "fail"], undone: ["calm", "undo"],
};
const spaced = word => String(word).replace(/([A-Z])/g, " $1").toLowerCase();
const stateMark = state => mark(...(STATES[state] || ["calm", "unk"]), spaced(state));
const GOES_ON = ["running", "compensating"];
// what a step that is done left behind is for programs; why another is not done is for people
function why(attempt) {
  if (!attempt?.detail || attempt.outcome === "done" || attempt.outcome === "given") return "";
  const { detail } = attempt;
  return el("small", {}, typeof detail === "string" ? detail : detail.detail || detail.reason || detail.code || JSON.stringify(detail));
}
function sagaPart(saga) {
  const steps = (saga.steps || []).map(step => {
    const tries = (step.attempts || []).length, last = (step.attempts || []).at(-1);
    return el("li", { class: `v-${voiceOf(step.name)}` }, el("span", { class: "kind" }, el("span", {}, step.kind || ""), tries > 1 ? el("span", {}, plural(tries, "try", "tries")) : ""),
      el("b", {}, step.name), stateMark(step.state), why(last));
  });
  return el("div", { class: "pad" }, el("div", { class: "row apart" }, el("h3", {}, `Its saga, ${saga.definition}`), stateMark(saga.state)), el("ol", { class: "steps" }, ...steps));
}
function eventsPart(events) {
  const rows = events.map(event => el("tr", {}, el("th", { scope: "row" }, event.eventType), el("td", { class: "num", "data-l": "At" }, clock(event.metadata?.timestamp)),
    el("td", { "data-l": "Data" }, el("details", {}, el("summary", {}, "Data"), el("pre", { tabindex: 0 }, JSON.stringify(event.eventData, null, 2))))));
  return el("div", { class: "events" }, el("div", { class: "pad" }, el("h3", {}, `Its events, ${events.length} in the log`)), el("table", { class: "data tidy fold compact" },
    el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Event"), el("th", { scope: "col", class: "num" }, "At, UTC"), el("th", { scope: "col" }, "Data"))), el("tbody", {}, ...rows)));
}
function cancel(order) {
  const dialog = $("#confirm"), form = $("form", dialog);
  form.reset();
  show("#confirm-title", `Cancel order ${shortId(order.orderId)}?`);
  $(".effects", dialog).replaceChildren(...[`${money(order.summary.finalAmount, order.currency)} go back to the card, once.`, `${plural(order.summary.itemCount ?? order.items.length, "item")} go back into stock, once.`, "It can't be shipped any more, and this can't be taken back."].map(text => el("li", {}, text)));
  dialog.onclose = async () => {
    const go = dialog.returnValue === "go", reason = form.reason.value.trim();
    dialog.returnValue = "";
    if (!go) return;
    show("#order-problem", el("p", { class: "small dim" }, "Giving stock and money back."));
    try {
      const { headers } = await api("POST", `/v1/orders/${encodeURIComponent(order.orderId)}/cancel`, { body: { reason }, headers: { Prefer: "wait=20" } });
      position = headers.get("Madrigal-Position") || position;
      show("#order-problem");
      open(order);
      readOrders();
      search();
    } catch (refusal) { show("#order-problem", problemBox(refusal)); open(order); }
  };
  dialog.showModal();
}
async function readOrders() {
  if (!session) return;
  try {
    const { value } = await api("GET", "/v1/orders?limit=10", { headers: seen() });
    const rows = (value.items || []).map(order => el("tr", {}, el("th", { scope: "row" }, el("a", { href: "#order", title: order.orderId, click: event => { event.preventDefault(); open(order); } }, shortId(order.orderId)), el("small", {}, when(order.createdAt))),
      el("td", { "data-l": "Status" }, statusMark(order.currentStatus)), el("td", { class: "num", "data-l": "Paid" }, money(order.summary?.finalAmount, order.currency))));
    show("#orders", ...rows);
    $("#my-orders").hidden = !rows.length;
    if (!shown) show("#no-order", rows.length ? "Choose one of your orders, or place a new one." : "You have no orders yet. The first one appears here as soon as it is placed.");
  } catch (refusal) { show("#order-problem", problemBox(refusal)); }
}

// who: log in, register, log out
async function logIn(login, password) {
  const { value } = await api("POST", "/v1/sessions", { body: { login, password } });
  session = { token: value.token, userId: value.userId, name: login };
  position = null;
  shown = null;
  $("#account").hidden = true;
  show("#account-says");
  show("#as-whom", `as ${login}`);
  show("#who", el("span", { class: "small dim wide-only" }, login), el("button", { class: "btn quiet small", type: "button", click: () => logOut("You are logged out.") }, "Log out"));
  drawBasket();
  readOrders();
}
function logOut(why) {
  session = position = shown = null;
  watching++;
  attempt = null;
  $("#account").hidden = false;
  show("#account-says", el("p", { class: "small dim" }, why));
  show("#as-whom", "not logged in");
  show("#who");
  show("#one-order");
  show("#orders");
  show("#order-problem");
  $("#my-orders").hidden = true;
  $("#no-order").hidden = false;
  show("#no-order", "Log in to see your orders. A new one appears here as soon as it is placed.");
  drawBasket();
}
async function submitting(form, doing) {
  const button = $("button[type=submit]", form);
  button.disabled = true;
  show("#account-says", el("p", { class: "small dim" }, "Asking."));
  try { await doing(Object.fromEntries(new FormData(form))); } catch (refusal) { show("#account-says", problemBox(refusal)); }
  button.disabled = false;
}
async function register({ email, username, password, firstName, lastName }) {
  const profile = Object.fromEntries(Object.entries({ firstName, lastName }).filter(([, text]) => text.trim()));
  await api("POST", "/v1/users", { body: { email, username, password, profile } });
  await logIn(username, password);
}
function tabs() {
  const all = $$("[role=tab]");
  const take = tab => all.forEach(other => {
    const on = other === tab;
    other.setAttribute("aria-selected", on);
    other.tabIndex = on ? 0 : -1;
    $("#" + other.getAttribute("aria-controls")).hidden = !on;
  });
  for (const tab of all) {
    tab.addEventListener("click", () => take(tab));
    tab.addEventListener("keydown", event => {
      if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
      const other = all[(all.indexOf(tab) + 1) % all.length];
      take(other);
      other.focus();
    });
  }
}

function frame() {
  const theme = $(".themebtn"), label = () => { theme.setAttribute("aria-label", `Switch to ${isDark() ? "light" : "dark"} colours`); $(".word", theme).textContent = isDark() ? "Light" : "Dark"; };
  theme.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    try { localStorage.setItem("theme", root.dataset.theme); } catch { /* stays for this page */ }
    label();
  });
  label();
}
function shop() {
  let timer = 0;
  $("#find").addEventListener("submit", event => { event.preventDefault(); clearTimeout(timer); search(); });
  $("#q").addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(() => search(), 180); });
  for (const filter of ["#sort", "#in-stock"]) $(filter).addEventListener("change", () => search());
  $("#more").addEventListener("click", () => search(next));
  $("#token").addEventListener("change", event => show("#token-says", event.target.selectedOptions[0].dataset.sentence));
  $("#place").addEventListener("submit", event => { event.preventDefault(); if (session && basket.size && !attempt?.running) place(); });
  $("#login").addEventListener("submit", event => { event.preventDefault(); submitting(event.target, ({ login, password }) => logIn(login.trim(), password)); });
  $("#register").addEventListener("submit", event => { event.preventDefault(); submitting(event.target, register); });
  $("#reread").addEventListener("click", readOrders);
  const live = $("#live");
  live.addEventListener("click", () => { held = !held; live.setAttribute("aria-pressed", held); $(".word", live).textContent = held ? "Paused" : "Live"; refreshHealth(); });
  document.addEventListener("keydown", event => { if (event.key === "/" && !event.target.closest("input, textarea, select, dialog")) { event.preventDefault(); $("#q").focus(); } });
  document.addEventListener("visibilitychange", refreshHealth);
  tabs();
  drawBasket();
  search();
  refreshHealth();
  setInterval(refreshHealth, HEALTH_EVERY);
}
document.addEventListener("DOMContentLoaded", () => { frame(); if ($("#shop")) shop(); });
