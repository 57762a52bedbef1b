// What makes something is pressed once: the buttons of its form wait for the answer, and of no other form.
document.addEventListener("submit", event => {
  if (!event.target.matches(".console-once")) return;
  for (const button of event.target.querySelectorAll("button")) {
    setTimeout(() => { button.disabled = true; button.setAttribute("aria-busy", "true"); });
  }
});
// Whoever comes back by the browser's own button may press again. Where a press has a number, the next one is another.
window.addEventListener("pageshow", event => {
  if (event.persisted && document.querySelector(".console-once input[name=press]")) return location.reload();
  for (const button of document.querySelectorAll(".console-once button[aria-busy]")) {
    button.disabled = false;
    button.removeAttribute("aria-busy");
  }
});
