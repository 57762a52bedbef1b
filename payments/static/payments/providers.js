// One press is enough: the buttons wait for the answer. Without this script the server knows a second press as well.
document.addEventListener("submit", event => {
  if (!event.target.matches(".prov-once")) return;
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

// A chain is ordered by its numbers. With this script they are also moved by buttons, and dragged by a grip.
document.addEventListener("DOMContentLoaded", () => {
  const chain = document.querySelector(".prov-chain");
  if (!chain) return;
  const told = document.getElementById("prov-moved");
  const routes = () => [...chain.querySelectorAll(".prov-route:not(.prov-new)")];
  const placeOf = route => route.querySelector(".prov-place input");

  const number = moved => {
    routes().forEach((route, index) => { placeOf(route).value = index + 1; });
    const added = chain.querySelector(".prov-new");
    if (added) placeOf(added).value = routes().length + 1;
    const account = moved.querySelector("select").selectedOptions[0].text;
    told.textContent = `${account} is number ${routes().indexOf(moved) + 1} of ${routes().length}. Save the chain to keep it.`;
  };
  const put = (route, before) => { chain.insertBefore(route, before); number(route); };

  chain.addEventListener("click", event => {
    const button = event.target.closest("[data-move]");
    if (!button) return;
    const route = button.closest(".prov-route");
    const all = routes();
    const to = all.indexOf(route) + Number(button.dataset.move);
    if (to < 0 || to >= all.length) return;
    put(route, button.dataset.move === "1" ? all[to].nextSibling : all[to]);
    button.focus();
  });

  let dragged = null;
  for (const route of routes()) {
    const grip = route.querySelector(".prov-grip");
    grip.hidden = false;
    route.querySelector(".prov-moves").hidden = false;
    // Only by its grip: whoever selects a text with the mouse moves nothing.
    grip.addEventListener("pointerdown", () => { route.draggable = true; });
    grip.addEventListener("pointerup", () => { route.draggable = false; });
    route.addEventListener("dragstart", event => {
      dragged = route;
      event.dataTransfer.effectAllowed = "move";
      event.dataTransfer.setData("text/plain", "");
      route.classList.add("prov-dragged");
    });
    route.addEventListener("dragend", () => {
      route.draggable = false;
      route.classList.remove("prov-dragged");
      if (dragged) number(route);
      dragged = null;
    });
    route.addEventListener("dragover", event => {
      if (!dragged || dragged === route) return;
      event.preventDefault();
      const middle = route.getBoundingClientRect().top + route.offsetHeight / 2;
      chain.insertBefore(dragged, event.clientY < middle ? route : route.nextSibling);
    });
    route.addEventListener("drop", event => { event.preventDefault(); });
  }
});
