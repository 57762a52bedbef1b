// One press is enough: the button waits for the answer. Without this script the server knows a second press as well.
document.addEventListener("submit", event => {
  for (const button of event.target.querySelectorAll("button")) {
    setTimeout(() => { button.disabled = true; button.setAttribute("aria-busy", "true"); });
  }
});
// Whoever comes back by the browser's own button may press again.
window.addEventListener("pageshow", () => {
  for (const button of document.querySelectorAll("button[aria-busy]")) {
    button.disabled = false;
    button.removeAttribute("aria-busy");
  }
});
// Unfold's script writes the name of a file that was chosen into a text box of Unfold's own. A browser's plain field for
// files has none, and shows the name itself: marked like this, it is left alone.
for (const input of document.querySelectorAll("input[type=file]")) input.hasChangeListener = true;
