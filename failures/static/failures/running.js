// A run that is under way tells its news by itself, and so for a while does what it set going. Without this script
// there is "Look again".
(() => {
  const run = document.querySelector(".desk-run");
  if (!run) return;
  const EVERY_MS = 3000;

  // What was begun here is not chosen any more. Whatever else is ticked stays so, whoever's runs are looked at.
  const keep = (name, value) => sessionStorage.setItem(name, JSON.stringify(value));
  const take = name => {
    const kept = JSON.parse(sessionStorage.getItem(name) || "null");
    sessionStorage.removeItem(name);
    return kept;
  };
  const mine = `steward-planned ${run.dataset.run}`;
  if (run.dataset.status === "planned") {
    // These ticks became this plan if the list sent them here, and not an earlier one to another plan.
    const ticked = take("steward-planning");
    if (ticked && document.referrer === ticked.from) keep(mine, ticked);
    for (const form of run.querySelectorAll("form[data-start]")) {
      form.addEventListener("submit", () => keep("steward-started", run.dataset.run));
    }
  } else if (take("steward-started") === run.dataset.run) {
    const ticked = take(mine);
    if (ticked) {
      const chosen = (sessionStorage.getItem(ticked.key) || "").split(" ").filter(id => !ticked.ids.includes(id));
      sessionStorage.setItem(ticked.key, chosen.join(" "));
    }
  }
  if (!("again" in run.dataset)) return;

  const look = async () => {
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html", "Steward-By-Itself": "1" } });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const now = page.querySelector(".desk-run");
      // It is stopped or over, or somebody was signed out: the page as it is now says which, and whether to go on.
      const isSame = now && now.dataset.status === run.dataset.status && "again" in now.dataset;
      if (!answer.ok || !isSame) return location.reload();
      for (const news of now.querySelectorAll("[data-news]")) {
        const old = document.getElementById(news.id);
        if (old.innerHTML !== news.innerHTML && !old.contains(document.activeElement)) old.innerHTML = news.innerHTML;
      }
    } catch {
      // The server is away for a moment: the next look finds it again.
    }
    setTimeout(look, EVERY_MS);
  };
  setTimeout(look, EVERY_MS);
})();
