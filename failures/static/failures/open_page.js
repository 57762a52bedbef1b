// A page that is still open asks by itself what is new, and says it on top. It is never loaded anew: what somebody has
// typed would be lost. Without this script whoever opens the page again sees it.
(() => {
  const news = document.getElementById("console-news");
  if (!news) return;
  const { kind, address, said, token } = news.dataset;
  const EVERY_MS = 1000 * news.dataset.every;
  const others = document.getElementById("desk-others");
  const SILENT_AFTER = 2; // Looks that came to nothing. One alone is a moment in which the server is away.
  let timer = 0, asked = Date.now(), isAsking = false, isOver = false, saidLast = "", missed = 0;

  // Each thing once: whoever hears the page is not told the same again, and whoever is on its link stays there.
  const say = (name, words) => {
    if (name !== saidLast) {
      const hasFocus = news.contains(document.activeElement);
      news.replaceChildren(document.querySelector(`template[data-strip="${name}"]`).content.cloneNode(true));
      if (hasFocus) news.querySelector("a").focus();
      saidLast = name;
    }
    const place = news.querySelector("span");
    if (words && place.textContent !== words) place.textContent = words;
  };
  // Who else is here nobody knows any more.
  const beAlone = () => { if (others) others.textContent = ""; };
  const end = name => {
    isOver = true;
    beAlone();
    say(name);
  };
  const hearNothing = () => {
    missed += 1;
    if (missed < SILENT_AFTER) return;
    beAlone();
    if (saidLast !== "changed") say("silent");
  };
  const hear = () => {
    missed = 0;
    if (saidLast !== "silent") return;
    news.replaceChildren();
    saidLast = "";
  };

  const isHeld = part => part.contains(document.activeElement)
    || !getSelection().isCollapsed && part.contains(getSelection().anchorNode);
  const show = {
    case: async answer => {
      const told = await answer.json();
      if (others.textContent !== told.others) others.textContent = told.others;
      if (told.changed) say("changed", told.changed);
    },
    list: async answer => {
      const told = await answer.json();
      if (told.changed) say("changed", told.changed);
    },
    // What has the focus, or is being marked, stays as it is until the next look.
    page: async answer => {
      const now = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const part of now.querySelectorAll("[data-news]")) {
        const old = document.getElementById(part.id);
        if (old && !old.isEqualNode(part) && !isHeld(old)) old.replaceWith(document.adoptNode(part));
      }
    },
  };

  const ask = () => {
    const signal = AbortSignal.timeout(EVERY_MS); // Who hears nothing until the next look hears nothing.
    const how = { headers: { "Steward-By-Itself": "1" }, redirect: "manual", signal };
    if (kind === "page") return fetch(address, how);
    return fetch(address, {
      ...how, method: "POST", body: new URLSearchParams(said), headers: { ...how.headers, "X-CSRFToken": token },
    });
  };
  const look = async () => {
    if (isAsking || isOver) return;
    isAsking = true;
    asked = Date.now();
    try {
      const answer = await ask();
      if (answer.status === 401 || answer.type === "opaqueredirect") end("signed-out");
      else if (answer.status === 403 || answer.status === 404) end("old");
      else if (answer.ok) {
        hear();
        await show[kind](answer);
      } else hearNothing();
    } catch {
      hearNothing();
    }
    isAsking = false;
    wait();
  };
  // A case is open also where nobody looks at its tab. Lists are for whoever looks.
  const wait = () => {
    clearTimeout(timer);
    if (isOver || document.hidden && kind !== "case") return;
    timer = setTimeout(look, Math.max(0, asked + EVERY_MS - Date.now()));
  };
  document.addEventListener("visibilitychange", wait);
  // Whoever comes back by the browser's own button sees the page as it was left.
  window.addEventListener("pageshow", event => { if (event.persisted) look(); });
  wait();
})();
