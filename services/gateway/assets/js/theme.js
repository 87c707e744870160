// Madrigal console. The files of this folder are served as one script, in the order of console.rs. No library, no build step.
// Everything works without it except charts, live updates, suggestions and confirmations in place: those have pages of their own.
"use strict";
const root = document.documentElement;
const $ = (selector, from = document) => from.querySelector(selector);
const $$ = (selector, from = document) => [...from.querySelectorAll(selector)];

// theme: the system's unless chosen; runs before the first paint, so this script is loaded in <head>
root.classList.add("js");
const THEMES = ["light", "dark"];
let chosenTheme = new URLSearchParams(location.search).get("theme");
try { chosenTheme ||= localStorage.getItem("theme"); } catch { /* storage refused: follow the system */ }
if (THEMES.includes(chosenTheme)) root.dataset.theme = chosenTheme;
const isDark = () => (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";

function themeButton() {
  const button = $(".themebtn");
  if (!button) return;
  const label = () => {
    button.setAttribute("aria-label", `Switch to ${isDark() ? "light" : "dark"} colours`);
    $(".word", button).textContent = isDark() ? "Light" : "Dark";
  };
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    try { localStorage.setItem("theme", root.dataset.theme); } catch { /* stays for this page */ }
    label();
  });
  label();
}
