// Single keys, as the page's own sheet lists them: they move the focus, follow a link or tick a row, and press no
// button. Without this script there is no button for the sheet either.
(() => {
  const sheet = document.getElementById("console-keys");
  const opener = document.getElementById("console-keys-open");
  if (!sheet || !opener || !sheet.showModal) return;
  const TOGETHER_MS = 1500; // So long after the first of two keys the second one still belongs to it.
  const KEPT = "steward-single-keys";
  const known = new Map([...sheet.querySelectorAll("[data-key]")].map(one => [one.dataset.key, one.dataset]));

  // Whoever turns them off, as one has to be able to who speaks to the computer, finds them off on each page.
  const isOn = document.getElementById("console-keys-on");
  try {
    isOn.checked = localStorage.getItem(KEPT) !== "off";
  } catch {
    // What cannot be kept holds for this page.
  }
  isOn.addEventListener("change", () => {
    try {
      localStorage.setItem(KEPT, isOn.checked ? "on" : "off");
    } catch {
      // As above.
    }
  });

  let cameFrom = null;
  const open = () => {
    for (const one of sheet.querySelectorAll("[data-does=focus]")) one.hidden = !document.querySelector(one.dataset.to);
    cameFrom = document.activeElement;
    sheet.showModal();
    sheet.querySelector("[data-close]").focus();
  };
  sheet.addEventListener("close", () => cameFrom?.focus());
  sheet.querySelector("[data-close]").addEventListener("click", () => sheet.close());
  opener.hidden = false;
  opener.addEventListener("click", open);

  const rows = () => [...document.querySelectorAll("#result_list tbody tr")].filter(row => linkOf(row));
  const linkOf = row => row.querySelector("th a[href]") || row.querySelector("td a[href]");
  const here = () => document.activeElement?.closest("#result_list tbody tr");
  const step = by => {
    const all = rows(), at = all.indexOf(here());
    const next = at < 0 ? all[0] : all[Math.min(Math.max(at + by, 0), all.length - 1)];
    if (next) linkOf(next).focus();
  };
  const does = {
    sheet: open,
    focus: to => document.querySelector(to)?.focus(),
    follow: to => location.assign(to),
    next: () => step(1),
    previous: () => step(-1),
    open: () => { if (here()) location.assign(linkOf(here()).href); },
    tick: () => here()?.querySelector("input[type=checkbox]")?.click(),
  };

  const isTyping = where => where.isContentEditable
    || where.matches("textarea, select, input:not([type=checkbox], [type=radio], [type=button], [type=submit])");
  const isElsewhere = where => document.querySelector("dialog[open]") || where.closest("[role=dialog]");
  let begun = "", begunAt = 0;
  const completed = key => {
    const together = Date.now() - begunAt < TOGETHER_MS ? `${begun} ${key}` : key;
    begun = key;
    begunAt = [...known.keys()].some(each => each.startsWith(`${key} `)) && together === key ? Date.now() : 0;
    return together;
  };
  // Before Unfold's own key for its search box, which this switch could not turn off otherwise.
  window.addEventListener("keydown", event => {
    const where = event.target instanceof Element ? event.target : document.body;
    if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing || isTyping(where) || isElsewhere(where)) return;
    if (event.key === "Shift") return;
    if (event.key === "/") event.stopImmediatePropagation();
    const wanted = isOn.checked && known.get(completed(event.key));
    if (!wanted) return;
    event.preventDefault();
    does[wanted.does](wanted.to);
  }, true);
})();
