// A run that is under way tells its news by itself. Without this script there is "Look again".
(() => {
  const run = document.querySelector(".desk-run");
  if (!run) return;
  const EVERY_MS = 3000;

  // What was begun is not chosen any more.
  if (run.dataset.status !== "planned") {
    Object.keys(sessionStorage).filter(key => key.startsWith("steward-chosen ")).forEach(key => sessionStorage.removeItem(key));
  }
  if (run.dataset.status !== "running") return;

  const look = async () => {
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" } });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const now = page.querySelector(".desk-run");
      // It has ended, or somebody was signed out: the page as it is now says which.
      if (!answer.ok || !now || now.dataset.status !== "running") return location.reload();
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
