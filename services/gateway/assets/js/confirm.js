// confirmation in place: the link leads to a page that asks the same; with this script the question comes here
function confirmations() {
  const dialog = $("#confirm");
  if (!dialog) return;
  const form = $("form", dialog), part = name => $(`[data-part=${name}]`, dialog);
  let opener = null;
  document.addEventListener("click", event => {
    const link = event.target.closest("a[data-confirm]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    opener = link;
    const spec = JSON.parse(link.dataset.confirm);
    form.reset();
    form.action = spec.action;
    $("h2", dialog).textContent = spec.title;
    $(".effects", dialog).replaceChildren(...spec.effects.map(text => Object.assign(document.createElement("li"), { textContent: text })));
    part("fields").replaceChildren(...Object.entries(spec.fields).map(([name, value]) => Object.assign(document.createElement("input"), { type: "hidden", name, value })));
    for (const [name, wanted] of [["reason", spec.reason], ["evidence", spec.evidence], ["severe", spec.typed]]) {
      part(name).hidden = !wanted;
      const input = $("textarea, input", part(name));
      input.disabled = !wanted;
      input.required = !!wanted;
    }
    $("b", part("severe")).textContent = spec.typed || "";
    $("input", part("severe")).pattern = (spec.typed || "").replace(/[^\w]/g, "\\$&");
    const go = $("[data-part=go]", dialog);
    go.textContent = spec.verb;
    go.className = spec.typed ? "btn severe" : "btn primary";
    dialog.showModal();
  });
  part("keep").addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => opener?.focus());
}

// a form is sent once; the server would take it once too, by its key
function once() {
  document.addEventListener("submit", event => {
    const form = event.target;
    if (form.method !== "post") return;
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "1";
    form.setAttribute("aria-busy", "true");
  });
  addEventListener("pageshow", () => $$("form[data-sent]").forEach(form => { delete form.dataset.sent; form.removeAttribute("aria-busy"); }));
}
