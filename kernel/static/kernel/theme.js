// The theme that somebody chose in the console, on the pages that stand outside of its frame. Without it they are light.
(() => {
  let chosen = null;
  try {
    chosen = JSON.parse(localStorage.getItem("_x_adminTheme"));
  } catch {
    // What cannot be read was not chosen.
  }
  const dark = chosen === "dark" || (chosen !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.classList.toggle("dark", dark);
})();
