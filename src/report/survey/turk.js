(function () {
  var all = function (selector) { return Array.prototype.slice.call(document.querySelectorAll(selector)); };
  var questions = document.getElementById("questions"), notice = document.getElementById("notice");
  var right = questions.getAttribute("data-right");
  // A value's last assignment may have fewer than ten questions: those without a text go.
  all("#questions fieldset").forEach(function (field) {
    if (!field.querySelector(".scenario").textContent.trim()) field.remove();
  });
  var passed = function () {
    var chosen = document.querySelector("input[name=prerequisite]:checked");
    return chosen !== null && chosen.value === right;
  };
  all("input[name=prerequisite]").forEach(function (input) {
    input.addEventListener("change", function () {
      questions.hidden = !passed();
      notice.textContent = passed() ? "" : "That is not the right answer. Read the definition and the examples again.";
    });
  });
  document.getElementById("form").onsubmit = function (event) {
    var open = all("#questions fieldset").filter(function (field) { return !field.querySelector("input:checked"); });
    if (passed() && open.length === 0) return true;
    event.preventDefault();
    notice.textContent = passed() ? "" : "Answer this question rightly first.";
    var first = passed() ? open[0] : document.getElementById("prerequisite");
    first.scrollIntoView();
    first.querySelector("input").focus();
    return false;
  };
})();
