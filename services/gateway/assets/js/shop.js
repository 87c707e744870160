// suggestions: the combobox pattern of the ARIA practices, fed by the API's own completion
function combo() {
  const input = $("[role=combobox]"), list = $("#suggestions");
  if (!input || !list) return;
  let at = -1, timer = null, asking = null;
  const options = () => $$("[role=option]", list);
  const open = yes => {
    list.hidden = !yes || !options().length;
    input.setAttribute("aria-expanded", !list.hidden);
    if (list.hidden) { at = -1; input.removeAttribute("aria-activedescendant"); }
  };
  const mark = next => {
    const all = options();
    if (!all.length) return;
    at = (next + all.length) % all.length;
    all.forEach((option, index) => option.setAttribute("aria-selected", index === at));
    input.setAttribute("aria-activedescendant", all[at].id);
  };
  const take = option => { input.value = option.dataset.value; open(false); input.form.requestSubmit(); };
  const ask = async () => {
    asking?.abort();
    asking = new AbortController();
    try {
      const answer = await fetch(`/v1/products/suggest?prefix=${encodeURIComponent(input.value.trim())}`, { signal: asking.signal, credentials: "omit", headers: { Accept: "application/json" } });
      if (!answer.ok) throw new Error(answer.status);
      const { items = [] } = await answer.json();
      list.replaceChildren(...items.slice(0, 8).map((item, index) => {
        const option = document.createElement("li"), text = typeof item === "string" ? item : item.text ?? item.name ?? "";
        option.id = `s${index}`;
        option.dataset.value = text;
        option.setAttribute("role", "option");
        option.setAttribute("aria-selected", "false");
        option.append(Object.assign(document.createElement("span"), { textContent: text }));
        if (item.count) option.append(Object.assign(document.createElement("small"), { textContent: `${item.count} product${item.count === 1 ? "" : "s"}` }));
        return option;
      }));
      at = -1;
      open(document.activeElement === input);
    } catch (error) {
      // Completion is a help, never a need: without an answer the field is a field.
      if (error.name !== "AbortError") { list.replaceChildren(); open(false); }
    }
  };
  input.addEventListener("input", () => {
    clearTimeout(timer);
    if (input.value.trim().length < 2) { list.replaceChildren(); open(false); return; }
    timer = setTimeout(ask, 120);
  });
  input.addEventListener("keydown", event => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") { event.preventDefault(); open(true); mark(at + (event.key === "ArrowDown" ? 1 : at < 0 ? 0 : -1)); }
    else if (event.key === "Enter" && at >= 0 && !list.hidden) { event.preventDefault(); take(options()[at]); }
    else if (event.key === "Escape" && !list.hidden) { event.preventDefault(); open(false); }
  });
  input.addEventListener("blur", () => setTimeout(() => open(false), 150));
  list.addEventListener("mousedown", event => { const option = event.target.closest("[role=option]"); if (option) { event.preventDefault(); take(option); } });
}

// what a sandbox token does, in one sentence beside the choice
function tokens() {
  const select = $("#token"), says = $("#token-says");
  select?.addEventListener("change", () => { says.textContent = select.selectedOptions[0].dataset.sentence; });
}
