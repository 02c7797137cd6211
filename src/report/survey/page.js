"use strict";
(() => {
  const survey = JSON.parse(document.getElementById("survey").textContent);
  const main = document.getElementById("main");
  const footer = document.getElementById("footer");
  const TRIES = 3;
  const KEYS = { 1: 0, 2: 1, 3: 2, 4: 3, u: 0, y: 1, n: 2, "?": 3 };
  const SHOWN_KEYS = ["1 u", "2 y", "3 n", "4 ?"];

  // What the browser keeps; a map stands in where it refuses to, which lasts as long as the page.
  const memory = new Map();
  let keeps = true;
  const kept = (key) => {
    try {
      return localStorage.getItem(key);
    } catch {
      keeps = false;
      return memory.get(key) ?? null;
    }
  };
  const keep = (key, text) => {
    memory.set(key, text);
    try {
      localStorage.setItem(key, text);
    } catch {
      keeps = false;
    }
  };
  const PREFIX = `valuenet-survey:${survey.id}`;
  const read = (key, otherwise) => {
    try {
      return { ...otherwise, ...JSON.parse(kept(`${PREFIX}:${key}`)) };
    } catch {
      return otherwise;
    }
  };
  const write = (key, state) => keep(`${PREFIX}:${key}`, JSON.stringify(state));

  // The name belongs to the entry in this tab's history: a reload keeps it, and the next person at this computer is asked for theirs.
  // (Chromium loses a local page's session storage now and then when the page is reloaded.)
  const worker = () => (history.state && history.state.worker) || "";
  const go = (who, assignment) => {
    history.pushState({ worker: who }, "", assignment ? `#assignment=${encodeURIComponent(assignment)}` : "#");
    route();
  };
  const key = (who, what) => JSON.stringify([who, what]);
  const answersOf = (who, assignment) => read(key(who, assignment.name), { answers: {}, at: 0, saved: false });
  const testOf = (who, value) => read(key(who, value), { tries: 0, passed: false });

  const named = (name) => survey.assignments.find((assignment) => assignment.name === name);
  const inAddress = () => {
    const found = /(?:^#|&)assignment=([^&]*)/.exec(location.hash);
    try {
      return found && decodeURIComponent(found[1]);
    } catch {
      return found && found[1];
    }
  };
  const about = (text, value) => text.replace(/\{value\}/g, survey.values[value].name);
  const titleOf = (assignment) => `${survey.values[assignment.value].name} ${assignment.name.replace(/^.*-/, "")}`;
  const optionOf = (answer) => survey.options.find((option) => option.answer === answer);
  const answered = (assignment, state) => assignment.questions.filter(([item]) => state.answers[item]).length;

  // An element with properties and children; texts are never read as HTML.
  const el = (tag, properties, ...children) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(properties || {})) {
      if (name in made && name !== "list") made[name] = value;
      else made.setAttribute(name, value);
    }
    made.append(...children.flat().filter((child) => child !== null));
    return made;
  };
  const heading = (...children) => el("h1", { tabIndex: -1 }, ...children);
  const question = (value) => {
    const [before, after] = survey.question.split("{value}");
    return el("span", {}, before, el("strong", {}, survey.values[value].name), after);
  };
  const show = (...children) => {
    main.replaceChildren(...children.filter((child) => child !== null));
    const who = worker();
    footer.replaceChildren(
      ...(who ? [`You are ${who}. `, el("button", { type: "button", className: "link", onclick: leave }, "Not you?")] : []),
      ...(keeps ? [] : [el("p", {}, "This browser keeps nothing: do not close or reload this page before you have saved your answers.")]),
    );
    const first = main.querySelector("[data-first]") || main.querySelector("h1");
    first.focus({ preventScroll: true });
    window.scrollTo(0, 0);
  };
  const leave = () => {
    history.replaceState(null, "");
    route();
  };
  const definition = (value) =>
    el("aside", { className: "definition", "aria-label": "Definition" },
      el("strong", {}, survey.values[value].name), el("p", {}, survey.values[value].definition));

  // The four answers to a scenario, by mouse, by arrow keys and by their own keys.
  const choice = (value, scenario, chosen, onchoice) => {
    const inputs = survey.options.map((option) =>
      el("input", { type: "radio", name: "answer", value: option.answer, checked: option.answer === chosen,
        onchange: () => onchoice(option.answer) }));
    const options = survey.options.map((option, place) =>
      el("label", { className: "option" }, inputs[place],
        el("span", {}, option.name, el("small", {}, `(${about(option.says, value)})`)),
        el("kbd", { "aria-hidden": "true" }, SHOWN_KEYS[place])));
    const field = el("fieldset", {},
      el("legend", {}, question(value), el("span", { className: "scenario" }, scenario)),
      el("div", { className: "options" }, options));
    const onkeydown = (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const place = KEYS[event.key.toLowerCase()];
      if (place !== undefined) {
        event.preventDefault();
        inputs[place].checked = true;
        inputs[place].focus();
        onchoice(survey.options[place].answer);
      } else if (event.key === "Enter" && event.target.tagName !== "BUTTON") {
        event.preventDefault();
        event.currentTarget.requestSubmit();
      }
    };
    return { field, onkeydown, answer: () => (inputs.find((input) => input.checked) || { value: null }).value };
  };
  const warning = () => {
    const made = el("p", { className: "notice", role: "alert" });
    const say = (text) => {
      made.textContent = text;
      if (text) made.scrollIntoView({ block: "nearest" });
    };
    return { made, say };
  };
  const keysHint = () =>
    el("p", { className: "soft small keys" }, "Keys: 1 to 4, or u, y, n and ?, choose an answer; Enter goes on.");

  function start() {
    const asked = inAddress();
    const assignment = asked ? named(asked) : null;
    const name = el("input", { type: "text", id: "worker", autocomplete: "off", maxLength: 100, value: worker(),
      "aria-describedby": "worker-hint" });
    const list = el("select", { id: "assignment" });
    const fill = () => {
      const who = tidy(name.value);
      const before = list.value;
      list.replaceChildren(...Object.keys(survey.values).map((value) => {
        const own = survey.assignments.filter((other) => other.value === value);
        return el("optgroup", { label: survey.values[value].name }, own.map((other) => {
          const state = answersOf(who, other);
          const count = who ? answered(other, state) : 0;
          const says = state.saved && count === other.questions.length ? " – saved"
            : count ? ` – ${count} of ${other.questions.length} answered` : "";
          return el("option", { value: other.name }, titleOf(other) + says);
        }));
      }));
      if (before) list.value = before;
    };
    const notice = warning();
    const form = el("form", { noValidate: true, onsubmit: (event) => {
      event.preventDefault();
      const who = tidy(name.value);
      if (!who) {
        notice.say("Write your name or number first.");
        name.focus();
        return;
      }
      go(who, assignment ? assignment.name : list.value);
    } },
      el("label", { className: "field", htmlFor: "worker" }, "Your name or number"), name,
      el("p", { className: "hint", id: "worker-hint" }, "As the person who gave you this survey knows you."),
      assignment ? null : el("label", { className: "field", htmlFor: "assignment" }, "Your assignment"),
      assignment ? null : list,
      notice.made, el("div", { className: "buttons" }, el("button", { className: "main" }, "Begin")));
    fill();
    name.addEventListener("input", fill);
    name.setAttribute("data-first", "");
    show(
      heading("What would you do or say?"),
      asked && !assignment ? el("p", { className: "notice" }, `There is no assignment ${asked} in this survey.`) : null,
      el("p", {}, "You will read short situations, and say what someone who holds a certain value would do. " +
        "There is one value in each assignment, explained with three examples, and at most ten questions."),
      el("p", { className: "soft" }, "Your answers stay in this browser until you save them as a file at the end."),
      assignment ? el("p", {}, "Your assignment: ", el("strong", {}, titleOf(assignment))) : null,
      form);
  }
  const tidy = (text) => text.trim().replace(/\s+/g, " ");

  function introduction(who, assignment) {
    const value = assignment.value;
    const { examples, prerequisite } = survey.values[value];
    const test = testOf(who, value);
    const notice = warning();
    const ask = choice(value, prerequisite.scenario, null, () => { notice.say(""); });
    const closed = () => "That was not the right answer either. You cannot go on with this value: please tell the person who gave you this survey.";
    const form = el("form", { noValidate: true, tabIndex: -1, id: "prerequisite", onkeydown: ask.onkeydown, onsubmit: (event) => {
      event.preventDefault();
      const given = ask.answer();
      if (given === null) {
        notice.say("Choose an answer first.");
        return;
      }
      if (given === prerequisite.answer) {
        write(key(who, value), { tries: test.tries, passed: true });
        route();
        return;
      }
      test.tries += 1;
      write(key(who, value), test);
      const left = TRIES - test.tries;
      notice.say(left > 0
        ? `That is not the right answer. Read the definition and the examples again; you may try ${left === 1 ? "once more" : `${left} more times`}.`
        : closed());
      if (left <= 0) form.querySelectorAll("fieldset, button").forEach((part) => { part.disabled = true; });
    } }, ask.field, notice.made,
      el("div", { className: "buttons" }, el("button", { className: "main" }, "Check my answer")), keysHint());
    if (test.tries >= TRIES) {
      notice.say(closed());
      form.querySelectorAll("fieldset, button").forEach((part) => { part.disabled = true; });
    }
    show(
      definition(value), heading(`What ${survey.values[value].name} means`),
      el("p", {}, "Keep the definition above in mind: it stays there all the time. Here are three examples."),
      el("h2", {}, "Examples"),
      el("p", {}, question(value)),
      ...examples.map((example) => {
        const option = optionOf(example.answer);
        return el("div", { className: "example" },
          el("p", { className: "scenario" }, example.scenario),
          el("p", { className: "answer" }, `Correct answer: ${option.name}`),
          el("p", { className: "says" }, `(${about(option.says, value)})`));
      }),
      el("h2", {}, "Before you begin"),
      el("p", {}, "Answer this question rightly to go on to the survey."),
      form);
  }

  function questions(who, assignment, state) {
    const [item, scenario] = assignment.questions[state.at];
    const count = assignment.questions.length;
    const notice = warning();
    const ask = choice(assignment.value, scenario, state.answers[item], (answer) => {
      notice.say("");
      state.answers[item] = answer;
      state.saved = false;
      write(key(who, assignment.name), state);
    });
    const turn = (at) => {
      state.at = at;
      write(key(who, assignment.name), state);
      route();
    };
    const complete = answered(assignment, state) === count;
    const form = el("form", { noValidate: true, tabIndex: -1, id: "question", onkeydown: ask.onkeydown, onsubmit: (event) => {
      event.preventDefault();
      if (ask.answer() === null) {
        notice.say("Choose an answer first; “Not sure” is one too.");
        return;
      }
      turn(complete ? count : state.at + 1);
    } },
      heading(`Question ${state.at + 1} of ${count}`),
      el("progress", { max: count, value: state.at, "aria-label": "Questions answered" }),
      ask.field, notice.made,
      el("div", { className: "buttons" },
        el("button", { className: "main" }, complete || state.at + 1 === count ? "Review answers" : "Next"),
        state.at > 0 ? el("button", { type: "button", onclick: () => turn(state.at - 1) }, "Back") : null),
      keysHint());
    show(definition(assignment.value), form);
  }

  const cell = (text) => (/[",\r\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text);
  const csv = (who, assignment, state) =>
    [["worker", "item", "scenario", "value", "answer", "assignment"]]
      .concat(assignment.questions.map(([item, scenario]) =>
        [who, item, scenario, assignment.value, state.answers[item], assignment.name]))
      .map((cells) => `${cells.map(cell).join(",")}\r\n`).join("");

  function finish(who, assignment, state) {
    const text = csv(who, assignment, state);
    const file = `${assignment.name}-${who.replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-+|-+$/g, "") || "answers"}.csv`;
    const done = el("p", { className: "done", role: "status" });
    const area = el("textarea", { id: "rows", readOnly: true, hidden: true, value: text, "aria-label": "Your answers as CSV" });
    const save = () => {
      const address = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
      el("a", { href: address, download: file }).click();
      setTimeout(() => URL.revokeObjectURL(address), 60000);
      state.saved = true;
      write(key(who, assignment.name), state);
      done.textContent = `Saved as ${file}, in your downloads. Send this file to the person who gave you the survey. Thank you!`;
    };
    const change = (at) => {
      state.at = at;
      write(key(who, assignment.name), state);
      route();
    };
    show(
      definition(assignment.value),
      heading("Review and save"),
      el("p", {}, "All questions are answered. Save your answers as a file, or look through them first."),
      el("div", { className: "buttons" },
        el("button", { type: "button", id: "save", className: "main", onclick: save }, "Save my answers"),
        el("button", { type: "button", id: "show", onclick: () => {
          area.hidden = false;
          area.focus();
          area.select();
        } }, "Show them"),
        el("button", { type: "button", onclick: () => go(who, null) }, "Next assignment")),
      done, area,
      el("ol", { className: "review" }, assignment.questions.map(([item, scenario], at) =>
        el("li", {}, el("p", {}, scenario),
          el("div", {}, el("strong", {}, optionOf(state.answers[item]).name), " ",
            el("button", { type: "button", className: "link", onclick: () => change(at), "aria-label": `Change the answer to question ${at + 1}` }, "Change"))))));
  }

  function route() {
    const who = worker();
    const assignment = named(inAddress());
    if (!who || !assignment) return start();
    const state = answersOf(who, assignment);
    if (!testOf(who, assignment.value).passed) return introduction(who, assignment);
    if (state.at < assignment.questions.length) return questions(who, assignment, state);
    return finish(who, assignment, state);
  }
  window.addEventListener("popstate", route);
  window.addEventListener("hashchange", route);
  window.addEventListener("beforeunload", (event) => {
    if (!keeps && memory.size > 0) event.preventDefault();
  });
  route();
})();
