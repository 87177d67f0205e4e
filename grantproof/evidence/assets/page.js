"use strict";
// The page is complete without this script; it only narrows what is shown.
(() => {
  const form = document.getElementById("filters");
  const grant = document.getElementById("filter-grant");
  const status = document.getElementById("filter-status");
  const told = document.getElementById("filter-told");
  if (!form) return;

  function apply() {
    let shown = 0, all = 0;
    for (const element of document.querySelectorAll("[data-grant]")) {
      const own = grant.value === "" || element.dataset.grant === grant.value;
      const fits = status.value === "" || (element.dataset.status || "").split("|").includes(status.value);
      element.hidden = !(own && fits);
      if (element.classList.contains("deviation")) {
        all += 1;
        shown += element.hidden ? 0 : 1;
      }
    }
    told.textContent = grant.value || status.value ? `${shown} of ${all} deviations shown` : "";
  }

  // A link that was mailed must lead somewhere, whatever is narrowed or folded.
  function reveal() {
    const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    if (target.closest("[hidden]")) {
      grant.value = status.value = "";
      apply();
    }
    for (let fold = target.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
    target.scrollIntoView();
  }

  form.hidden = false;
  form.addEventListener("change", apply);
  form.addEventListener("reset", () => setTimeout(apply));
  window.addEventListener("hashchange", reveal);
  window.addEventListener("beforeprint", () => {
    for (const fold of document.querySelectorAll("details")) fold.open = true;
  });
  apply();
  reveal();
})();
