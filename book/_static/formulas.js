// A formula that is wider than its place scrolls, and then the keyboard must reach it.
document.addEventListener("DOMContentLoaded", () => {
  const reach = () => {
    for (const place of document.querySelectorAll("div.math")) {
      if (place.scrollWidth > place.clientWidth) place.tabIndex = 0;
      else place.removeAttribute("tabindex");
    }
  };
  reach();
  document.fonts?.ready.then(reach);
  window.addEventListener("resize", reach);
});
