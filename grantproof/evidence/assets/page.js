"use strict";
// The page is complete without this script; it only narrows what is shown.
(() => {
  const form = document.getElementById("filters");
  const grant = document.getElementById("filter-grant");
  const status = document.getElementById("filter-status");
  const text = document.getElementById("filter-text");
  const unfold = document.getElementById("unfold");
  const told = document.getElementById("filter-told");
  if (!form) return;

  function apply() {
    let shown = 0, all = 0;
    const wanted = text.value.trim().toLowerCase();
    const holds = element => wanted === "" || element.textContent.toLowerCase().includes(wanted);
    for (const element of document.querySelectorAll(".control")) element.hidden = !holds(element);
    for (const element of document.querySelectorAll("[data-grant]")) {
      const own = grant.value === "" || element.dataset.grant === grant.value;
      const fits = status.value === "" || (element.dataset.status || "").split("|").includes(status.value);
      element.hidden = !(own && fits && holds(element));
      if (element.classList.contains("deviation")) {
        all += 1;
        shown += element.hidden ? 0 : 1;
      }
    }
    told.textContent = grant.value || status.value || wanted ? `${shown} of ${all} deviations shown` : "";
  }

  // A link that was mailed must lead somewhere, whatever is narrowed or folded.
  function reveal() {
    const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    if (target.closest("[hidden]")) {
      grant.value = status.value = text.value = "";
      apply();
    }
    for (let fold = target.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
    target.scrollIntoView();
  }

  form.hidden = false;
  form.addEventListener("change", apply);
  form.addEventListener("submit", event => event.preventDefault());
  text.addEventListener("input", apply);
  unfold.addEventListener("click", () => {
    const open = unfold.getAttribute("aria-pressed") !== "true";
    unfold.setAttribute("aria-pressed", String(open));
    for (const fold of document.querySelectorAll("main details")) fold.open = open;
  });
  form.addEventListener("reset", () => setTimeout(apply));
  window.addEventListener("hashchange", reveal);
  window.addEventListener("beforeprint", () => {
    for (const fold of document.querySelectorAll("details")) fold.open = true;
  });
  apply();
  reveal();
})();
