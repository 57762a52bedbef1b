// A note that was begun goes with whatever button of the page is pressed, and stands in its box again afterwards.
// Whoever leaves the page by another way is asked first. Without this script a note is sent by its own button alone.
(() => {
  const box = document.getElementById("note-text");
  if (!box) return;
  const own = box.form;
  // Asked of the tag: a form with a field that is called so has another `action`.
  const addressOf = form => form.getAttribute("action") || "";
  const ofThisCase = addressOf(own).replace(/note\/$/, "");
  let isCarried = false;
  document.addEventListener("submit", event => {
    const form = event.target;
    isCarried = addressOf(form).startsWith(ofThisCase);
    if (form === own || !isCarried) return;
    const field = form.elements.namedItem("begun_note") || form.appendChild(document.createElement("input"));
    field.type = "hidden";
    field.name = "begun_note";
    field.value = box.value;
  });
  window.addEventListener("pageshow", () => { isCarried = false; });
  window.addEventListener("beforeunload", event => {
    if (box.value.trim() && !isCarried) event.preventDefault();
  });
})();
