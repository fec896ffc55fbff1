// Before anything is drawn: the theme that was chosen here, if one was. 'auto' follows the system.
(() => {
  let chosen = 'auto';
  try {
    chosen = localStorage.getItem('logforge-theme') ?? 'auto';
  } catch {
    // Storage may be forbidden; then the system decides.
  }
  if (chosen === 'light' || chosen === 'dark') document.documentElement.dataset.theme = chosen;
})();
