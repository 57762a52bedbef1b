// What was ticked on one page of the queue stays ticked on the next one, and in another order of the same list.
// Without this script the boxes of the page that is shown work, and "all of this list".
(() => {
  const form = document.getElementById("desk-bulk");
  if (!form) return;
  const boxes = [...document.querySelectorAll("input[name=case][form=desk-bulk]")];
  const others = form.elements.namedItem("others");
  const words = form.querySelector("[data-chosen]");

  // The same filters and the same search are the same list, whichever page of it is shown, and at whichever address.
  const asked = new URLSearchParams(location.search);
  ["p", "o", "e"].forEach(name => asked.delete(name));
  asked.sort();
  const key = `steward-chosen ${form.dataset.list} ${asked}`;
  let chosen = new Set((sessionStorage.getItem(key) || "").split(" ").filter(Boolean));

  const isChosen = () => { form.elements.namedItem("which").value = "chosen"; };
  const show = () => {
    const here = boxes.filter(box => box.checked).length;
    words.textContent = chosen.size ? `${chosen.size} chosen, ${here} on this page` : "The ticked ones: none yet";
    form.querySelector("[data-clear]").hidden = !chosen.size;
  };
  const keep = () => {
    sessionStorage.setItem(key, [...chosen].join(" "));
    show();
  };
  const tick = (box, isOn) => {
    box.checked = isOn;
    if (isOn) chosen.add(box.value); else chosen.delete(box.value);
  };
  const restore = () => {
    boxes.forEach(box => { box.checked = chosen.has(box.value); });
    show();
  };

  boxes.forEach(box => box.addEventListener("change", () => { tick(box, box.checked); isChosen(); keep(); }));
  form.querySelector("[data-page]").addEventListener("click", () => {
    boxes.forEach(box => tick(box, true));
    isChosen();
    keep();
  });
  form.querySelector("[data-clear]").addEventListener("click", () => {
    chosen = new Set();
    keep();
    restore();
  });
  form.addEventListener("submit", () => {
    const here = new Set(boxes.map(box => box.value));
    others.value = [...chosen].filter(id => !here.has(id)).join(" ");
    // For the page of the plan that follows: these ticks are over when it is begun.
    sessionStorage.setItem("steward-planning", JSON.stringify({ key, ids: [...chosen], from: location.href.split("#")[0] }));
  });
  // After the browser's own restoring of forms, which knows nothing of the other pages.
  window.addEventListener("pageshow", restore);
  form.querySelector("[data-own]").hidden = false;
  restore();
})();
