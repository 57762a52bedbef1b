// The filters of a list lie over it: whoever opens them by keyboard is led in, stays until they are closed, and is led
// back to where they were opened. Opening and closing is Unfold's, which shows and hides the panel.
(() => {
  const panel = document.getElementById("changelist-filter");
  const opener = document.querySelector(".console-filter");
  if (!panel || !opener) return;
  // A wide screen of a list that asks for it has them beside the list: then they lie over nothing.
  const isOpen = () => panel.style.display !== "none" && getComputedStyle(panel).position === "fixed";
  const stops = () => [...panel.querySelectorAll("a[href], button, input, select, textarea, [tabindex='0']")]
    .filter(each => !each.disabled && each.offsetParent !== null);
  let wasOpen = false;
  panel.setAttribute("aria-modal", "true");
  new MutationObserver(() => {
    if (isOpen() === wasOpen) return;
    wasOpen = isOpen();
    if (wasOpen) stops()[0]?.focus();
    else if (panel.contains(document.activeElement) || document.activeElement === document.body) opener.focus();
  }).observe(panel, {attributes: true, attributeFilter: ["style"]});
  panel.addEventListener("keydown", event => {
    if (event.key !== "Tab" || !isOpen()) return;
    const all = stops(), first = all[0], last = all[all.length - 1];
    const leaves = event.shiftKey ? document.activeElement === first : document.activeElement === last;
    if (!leaves) return;
    event.preventDefault();
    (event.shiftKey ? last : first).focus();
  });
})();
