// Runs before anything is drawn. Sets the theme that was chosen in this browser; 'auto' follows the system.
(() => {
  let chosen = 'auto';
  try {
    chosen = localStorage.getItem('logforge-theme') ?? 'auto';
  } catch {
    // Without storage the theme follows the system.
  }
  if (chosen === 'light' || chosen === 'dark') document.documentElement.dataset.theme = chosen;
})();
