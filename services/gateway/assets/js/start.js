document.addEventListener("DOMContentLoaded", () => {
  drawAll(document);
  themeButton();
  confirmations();
  once();
  combo();
  tokens();
  document.addEventListener("keydown", event => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.target.closest("input, textarea, select")) return;
    const field = $("#q") || $("#jump");
    if (field) { event.preventDefault(); field.focus(); }
  });
  $("nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
  if (matchMedia("(max-width: 940px)").matches) $$("details[data-narrow]").forEach(details => { details.open = false; });
  $$("[data-print]").forEach(button => button.addEventListener("click", () => print()));
  // The answer to what was just done is where reading goes on.
  $("[data-arrive]")?.focus();
  live();
});
