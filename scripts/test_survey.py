"""A survey's page in a real Chromium, driven over WebDriver with nothing but the standard library; see test_survey.sh."""

import base64
import csv
import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

VALUENET = os.environ["VALUENET"]
FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
ENTER, TAB, SHIFT = "\ue007", "\ue004", "\ue008"

# Sentences of our own. One tries to break out of the page's data.
BENEVOLENCE = [
    "Helping my neighbour carry her shopping up the stairs.",
    "Forgiving a friend who forgot my birthday.",
    "Lying to my cousin about where I was.",
    "Painting the fence green.",
    "Lending my brother my car for his interview.",
    "Laughing when a classmate trips and falls.",
    'Leaving the "good" umbrella, the blue one, for my sister.',
    "Saying </script><script>document.title = 'broken'</script> & meaning it.",
]
SECURITY = ["Locking the back door every night.", "Leaving the stove on while I go out.", "Buying a striped tie."]
GOLD = [
    ("Bringing soup to a friend who is ill.", "BENEVOLENCE", "yes"),
    ("Stealing from my own mother.", "BENEVOLENCE", "no"),
    ("Fastening my seat belt.", "SECURITY", "yes"),
    ("Running across the motorway for fun.", "SECURITY", "no"),
]


class Browser:
    """A Chromium session of a driver at a port."""

    def __init__(self, port, profile, downloads, more=()):
        self.base = f"http://127.0.0.1:{port}"
        options = {
            "binary": os.environ.get("CHROMIUM", "/usr/bin/chromium"),
            "args": [*FLAGS, f"--user-data-dir={profile}", *more],
            "prefs": {"download.default_directory": str(downloads), "download.prompt_for_download": False},
        }
        wanted = {"capabilities": {"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": options}}}
        self.session = self.call("POST", "/session", wanted)["sessionId"]

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{method} {path}: {error.read().decode()[:600]}") from error

    def do(self, method, path, body=None):
        return self.call(method, f"/session/{self.session}{path}", body)

    def go(self, address):
        # A change of the part after # alone loads nothing anew, as for a user who follows a link.
        self.do("POST", "/url", {"url": address})

    def js(self, script, *arguments):
        return self.do("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def text(self):
        return self.js("return document.body.innerText")

    def keys(self, *keys):
        """Presses keys one after the other, wherever the focus is; a pair is a key with Shift."""
        actions = []
        for key in keys:
            held, key = (SHIFT, key[1]) if isinstance(key, tuple) else (None, key)
            if held:
                actions.append({"type": "keyDown", "value": held})
            actions += [{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]
            if held:
                actions.append({"type": "keyUp", "value": held})
        self.do("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def size(self, width, height, touch=False):
        self.devtools("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=touch)

    def dark(self, on):
        scheme = "dark" if on else "light"
        self.devtools("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def devtools(self, command, **parameters):
        return self.do("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def picture(self, path):
        if path.parent.is_dir():
            path.write_bytes(base64.b64decode(self.do("GET", "/screenshot")))

    def close(self):
        self.do("DELETE", "")


def expect(true, what):
    if not true:
        raise SystemExit(f"FAILED: {what}")
    print(f"  {what}")


def wait(condition, what):
    for _ in range(200):
        if condition():
            return
        time.sleep(0.05)
    raise SystemExit(f"FAILED: waited ten seconds: {what}")


def wait_for(browser, text):
    """Waits until the page shows a text."""
    wait(lambda: text in browser.text(), f"\"{text}\" in\n{browser.text()}")


def valuenet(*arguments):
    return subprocess.run([VALUENET, *map(str, arguments)], check=True, capture_output=True, text=True).stdout


def write(path, header, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def sideways(browser):
    """What reaches beyond the window's right edge."""
    return browser.js(
        "const wide = [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1);"
        "return [document.documentElement.scrollWidth - innerWidth, wide.map(e => e.outerHTML.slice(0, 80))]"
    )


def contrast(browser):
    """The lowest ratio of luminances of a text and what is behind it."""
    return browser.js("""
        const channel = c => { c /= 255; return c <= .03928 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4 };
        const rgb = text => text.match(/[\\d.]+/g).map(Number);
        const light = ([r, g, b]) => .2126 * channel(r) + .7152 * channel(g) + .0722 * channel(b);
        const behind = e => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3] > 0) return c } };
        let least = [99, ''];
        for (const e of document.querySelectorAll('main *, footer *')) {
          if (![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()) || e.offsetParent === null || e.disabled) continue;
          const [a, b] = [light(rgb(getComputedStyle(e).color)), light(behind(e))].sort((x, y) => y - x);
          const ratio = (a + .05) / (b + .05);
          if (ratio < least[0]) least = [ratio, e.outerHTML.slice(0, 80)];
        }
        return least""")


def main():
    folder, pictures = Path(sys.argv[1]), Path(sys.argv[2])
    rows = [(text, "BENEVOLENCE") for text in BENEVOLENCE] + [(text, "SECURITY") for text in SECURITY]
    write(folder / "scenarios.csv", ["scenario", "value"], rows)
    write(folder / "gold.csv", ["scenario", "value", "answer"], GOLD)
    out = folder / "out"
    valuenet("data", "survey", folder / "scenarios.csv", "--gold", folder / "gold.csv", "-o", out)
    downloads = folder / "downloads"
    downloads.mkdir()

    driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        port = None
        for line in driver.stdout:
            if found := re.search(r"started successfully on port (\d+)", line):
                port = int(found.group(1))
                break
        if port is None:
            raise SystemExit("FAILED: chromedriver did not start")
        # A desktop has a mouse, which a browser without a window does not know.
        mouse = "--blink-settings=primaryHoverType=2,availableHoverTypes=2,primaryPointerType=4,availablePointerTypes=4"
        browser = Browser(port, folder / "profile", downloads, [mouse])
        answer_everything(browser, out, downloads, pictures)
        browser.close()
        browser = Browser(port, folder / "other", downloads)
        others(browser, out, pictures)
        browser.close()
    finally:
        driver.terminate()
        driver.wait()
    read_back(folder, out, downloads)


def answer_everything(browser, out, downloads, pictures):
    print("a whole assignment, by keyboard")
    page = (out / "survey.html").as_uri()
    browser.size(1280, 900)
    browser.dark(False)
    browser.go(page)
    expect("Your name or number" in browser.text(), "the page asks for a name first")
    browser.picture(pictures / "start.png")
    browser.keys(ENTER)
    expect("Write your name or number first." in browser.text(), "and does not go on without one")
    browser.keys("A", "n", "n", " ", "B", TAB)
    browser.keys("B")  # the list is open to typing: Benevolence
    browser.keys(TAB, ENTER)
    wait_for(browser, "Before you begin")
    text = browser.text()
    expect("assignment=benevolence-1" in browser.js("return location.hash"), "an assignment is chosen from the list by typing")
    expect("true friendship, mature love" in text and text.count("Correct answer:") == 3, "definition and three examples")
    browser.picture(pictures / "introduction.png")

    browser.keys(TAB, ENTER)
    expect("Choose an answer first." in browser.text(), "the prerequisite wants an answer")
    browser.keys("3", ENTER)
    expect("That is not the right answer" in browser.text(), "a wrong one is told")
    expect("Question 1" not in browser.text(), "and the survey stays closed")
    browser.js("document.querySelector('.notice').scrollIntoView({block: 'end'})")
    browser.picture(pictures / "wrong.png")
    browser.do("POST", "/refresh", {})
    wait_for(browser, "Before you begin")
    browser.keys(TAB, "1", ENTER)
    expect("once more" in browser.text(), "a reload gives no more tries")
    browser.keys("y", ENTER)
    wait_for(browser, "Question 1 of 10")
    expect(browser.js("return document.title") != "broken", "a scenario with </script> in it does nothing")

    given = ["1", "2", "3", "4", "u", "y", "n", ("shift", "?"), "2", "3"]
    names = ["unrelated", "yes", "no", "not sure", "unrelated", "yes", "no", "not sure", "yes", "no"]
    for number, key in enumerate(given, 1):
        expect(f"Question {number} of 10" in browser.text(), f"question {number}")
        expect("true friendship" in browser.text(), "the definition is there")
        browser.keys(ENTER)
        expect("Choose an answer first" in browser.text(), "it wants an answer")
        browser.keys(key)
        chosen = browser.js("return [document.activeElement.type, document.activeElement.value, document.activeElement.checked]")
        expect(chosen == ["radio", names[number - 1], True], f"{key} chooses {names[number - 1]}, which has the focus")
        ring = browser.js("return getComputedStyle(document.activeElement.closest('.option')).outlineStyle")
        expect(ring == "solid", "the focus is seen")
        if number == 1:
            expect("Enter goes on" in browser.text() and "3 n" in browser.text(), "the keys are told of")
        if number == 4:
            browser.picture(pictures / "question.png")
            browser.do("POST", "/refresh", {})
            wait_for(browser, "Question 4 of 10")
            kept = browser.js("return document.querySelector('input:checked').value")
            expect(kept == "not sure" and "You are Ann B" in browser.text(), "a reload loses neither answers nor name")
        browser.keys(ENTER)
    wait_for(browser, "Review and save")
    browser.picture(pictures / "review.png")
    browser.keys(TAB, ENTER)
    file = downloads / "benevolence-1-Ann-B.csv"
    wait(file.is_file, "the file")
    with file.open(newline="") as saved:
        saved = list(csv.DictReader(saved))
    expect([row["answer"] for row in saved] == names, "the saved file has the ten answers")
    expect({row["worker"] for row in saved} == {"Ann B"} and {row["value"] for row in saved} == {"BENEVOLENCE"}, "name and value")
    asked = {*BENEVOLENCE, *(text for text, value, _ in GOLD if value == "BENEVOLENCE")}
    expect({row["scenario"] for row in saved} == asked, "and the scenarios to the letter")
    browser.js("document.querySelector('#show').click()")
    expect(browser.js("return document.querySelector('#rows').value") == file.read_bytes().decode().replace("\r\n", "\n"), "the same is shown for copying")
    requests = browser.js("return performance.getEntriesByType('resource').map(e => e.name)")
    expect([name for name in requests if not name.startswith(("data:", "blob:"))] == [], "nothing was fetched")


def others(browser, out, pictures):
    print("narrow, dark, without storage, and as a link")
    page = (out / "survey.html").as_uri()
    browser.size(390, 844, touch=True)
    browser.go(page + "#assignment=security-1")
    expect("Your assignment: Security 1" in browser.text(), "a link leads to an assignment")
    for dark in [False, True]:
        browser.dark(dark)
        name = "dark" if dark else "light"
        expect(sideways(browser) == [0, []], f"the start fits 390 px, {name}")
        expect(contrast(browser)[0] >= 4.5, f"texts can be read: {contrast(browser)}")
    browser.keys("C", "e", "m", ENTER)
    wait_for(browser, "Before you begin")
    expect(sideways(browser) == [0, []], "the introduction fits 390 px")
    browser.picture(pictures / "narrow-introduction.png")
    browser.keys(TAB, "y", ENTER, ENTER)
    expect("once more" in browser.text(), "two tries are gone")
    browser.keys("u", ENTER)
    expect("You cannot go on with this value" in browser.text(), "after three the value is closed")
    browser.do("POST", "/refresh", {})
    wait_for(browser, "You cannot go on")
    expect(browser.js("return document.querySelector('#prerequisite fieldset').disabled"), "it stays closed")

    browser.go(page + "#assignment=benevolence-1")
    wait_for(browser, "Your name")
    browser.keys("D", "a", "n", ENTER)
    wait_for(browser, "Before you begin")
    browser.keys(TAB, "2", ENTER)
    wait_for(browser, "Question 1 of 10")
    for dark in [False, True]:
        browser.dark(dark)
        name = "dark" if dark else "light"
        browser.keys("2")
        expect(sideways(browser) == [0, []], f"a question fits 390 px, {name}")
        expect(contrast(browser)[0] >= 4.5, f"texts can be read: {contrast(browser)}")
        browser.picture(pictures / f"narrow-question-{name}.png")
    browser.size(1280, 900)
    browser.picture(pictures / "question-dark.png")
    labels = browser.js(
        "return [...document.querySelectorAll('input')].every(i => i.labels.length === 1) && "
        "document.querySelector('legend').textContent.includes('If you are someone who values Benevolence, will you do or say:')"
    )
    expect(labels, "each answer has its label, and the legend asks the question")

    deny = "for (const area of ['localStorage', 'sessionStorage']) Object.defineProperty(window, area, { get() { throw new Error('denied') } })"
    script = browser.devtools("Page.addScriptToEvaluateOnNewDocument", source=deny)["identifier"]
    browser.go("about:blank")
    browser.go(page + "#assignment=benevolence-1")
    browser.keys("E", "v", "e", ENTER)
    wait_for(browser, "Before you begin")
    expect("keeps nothing" in browser.text(), "a browser without storage is told of")
    browser.keys(TAB, "y", ENTER)
    for number in range(10):
        wait_for(browser, f"Question {number + 1} of 10")
        browser.keys("n", ENTER)
    wait_for(browser, "Review and save")
    expect(True, "and can answer all the same")
    browser.keys(TAB, ENTER)
    browser.devtools("Page.removeScriptToEvaluateOnNewDocument", identifier=script)

    print("the Mechanical Turk form")
    with (out / "mturk.csv").open(newline="") as batch:
        row = next(row for row in csv.DictReader(batch) if row["assignment"] == "security-1")
    form = (out / "mturk.html").read_text()
    for name, cell in row.items():
        form = form.replace("${" + name + "}", cell)
    expect("${" not in form, "all variables are columns of the batch")
    # Nothing is fetched from elsewhere here, and plain elements take the place of the service's own.
    form = re.sub(r"<script src=[^>]*></script>", "", form)
    (out / "form.html").write_text(f"<!doctype html><meta charset=utf-8>{form}")
    browser.go((out / "form.html").as_uri())
    shown = "return [document.querySelectorAll('#questions fieldset').length, document.querySelector('#questions').hidden]"
    expect(browser.js(shown) == [5, True], "a short assignment has no empty questions, and they are hidden at first")
    click = "document.querySelector(`input[name=prerequisite][value=${arguments[0]}]`).click();"
    browser.js(click, "yes")
    expect(browser.js(shown) == [5, True] and "not the right answer" in browser.text(), "a wrong prerequisite keeps them so")
    browser.js(click, "no")
    expect(browser.js(shown) == [5, False], "the right one shows them")
    submit = "let stopped = false; document.querySelector('#form').onsubmit({ preventDefault() { stopped = true } }); return stopped"
    expect(browser.js(submit), "it is not submitted before all is answered")
    browser.js("document.querySelectorAll('#questions input[value=yes]').forEach(input => input.click())")
    expect(not browser.js(submit), "and is then")


def read_back(folder, out, downloads):
    print("read back")
    files = sorted(downloads.glob("*.csv"))
    expect(len(files) == 2, "two workers saved a file")
    made = folder / "made.csv"
    told = valuenet("data", "aggregate", *files, "--qualification", out / "gold.csv", "--pass", "0", "--agree", "2", "-o", made)
    with made.open(newline="") as rows:
        rows = list(csv.DictReader(rows))
    expect(all(row["label"] == "-1" for row in rows), "both said no where they agree")
    qualifying = re.search(r"qualification items: not samples +(\d+)", told)
    expect(qualifying and qualifying.group(1) == "4", "the hidden items are known by the key")


main()
