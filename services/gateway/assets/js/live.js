// live: the server says {text: {name: text}, point: {name: number}, html: {id: element}}, all of the page's state every time
let paused = false, missed = null, source = null, lastSeen = new Date(), retry = null;
const shown = new Map();
const utcClock = at => at.toISOString().slice(11, 19);

function apply(change) {
  for (const [name, text] of Object.entries(change.text || {})) $$(`[data-live="${CSS.escape(name)}"]`).forEach(el => { if (el.textContent !== text) el.textContent = text; });
  for (const [name, value] of Object.entries(change.point || {})) $$(`[data-feed="${CSS.escape(name)}"]`).forEach(el => {
    el.dataset.points = numbers(el).concat(value).slice(-MOST_POINTS).join(",");
    draw(el);
  });
  for (const [id, html] of Object.entries(change.html || {})) replace(id, html);
}

// an element under the pointer or with the focus stays as it is until the next message after that
function replace(id, html) {
  const old = document.getElementById(id);
  if (!old || shown.get(id) === html || old.matches(":hover") || old.contains(document.activeElement)) return;
  const holder = document.createElement("template");
  holder.innerHTML = html; // the server's own element, every text in it escaped there
  const fresh = holder.content.firstElementChild;
  if (!fresh) return;
  // Trends go on where they were: what comes here has none of their points.
  $$("[data-feed]", fresh).forEach(el => {
    const was = $(`[data-feed="${CSS.escape(el.dataset.feed)}"]`, old);
    if (was && !el.dataset.points) el.dataset.points = was.dataset.points;
  });
  old.replaceWith(fresh);
  shown.set(id, html);
  drawAll(fresh);
}

function liveWord(word, lost) {
  const button = $(".livebtn");
  if (!button) return;
  $(".word", button).textContent = word;
  $(".beat", button).classList.toggle("lost", lost);
  button.classList.toggle("lost", lost);
}
const lose = () => { if (!paused) liveWord(`Not live since ${utcClock(lastSeen)}`, true); };

function listen(url) {
  clearTimeout(retry);
  source?.close();
  source = new EventSource(url);
  source.onmessage = event => {
    lastSeen = new Date();
    const change = JSON.parse(event.data);
    if (paused) { missed = change; return; }
    liveWord("Live", false);
    apply(change);
  };
  source.onerror = () => {
    lose();
    // Refused rather than broken off: the browser gives up then, we do not.
    if (source.readyState === EventSource.CLOSED) retry = setTimeout(() => listen(url), 5000);
  };
  source.addEventListener("ended", () => { source.close(); liveWord("Log-in ended", true); });
}

function live() {
  const url = document.body.dataset.stream, button = $(".livebtn");
  if (!url || !button) return;
  button.addEventListener("click", () => {
    paused = !paused;
    button.setAttribute("aria-pressed", paused);
    button.title = paused ? "Go on with live updates" : "Hold the page still";
    liveWord(paused ? "Paused" : "Live", false);
    if (!paused && missed) { apply(missed); missed = null; }
  });
  // A browser has six connections to one host: pages that nobody sees give theirs back.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) { clearTimeout(retry); source?.close(); } else listen(url);
  });
  addEventListener("pagehide", () => source?.close());
  addEventListener("pageshow", event => { if (event.persisted) listen(url); });
  listen(url);
}
