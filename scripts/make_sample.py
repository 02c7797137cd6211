#!/usr/bin/env python3
"""Writes data/sample/{train,eval,test}.csv: scenarios of our own in ValueNet's format, all ten values, three labels.

python3 scripts/make_sample.py data/sample

Each scenario is an opening, a doing and a tail. A doing serves its value (1) or goes against it (-1) by our own
judgement; unrelated rows (0) are everyday doings, or those of another value. The sample is for trying the program out.
"""
import csv
import pathlib
import random
import sys

DOINGS = {
    "SECURITY": (
        ["locking the doors before going to bed", "saving money for an emergency", "wearing a helmet on my bicycle",
         "buying insurance for the house", "getting a health check every year", "teaching my kids to cross the road safely",
         "keeping a fire extinguisher in the kitchen"],
        ["leaving the gas stove on overnight", "driving without a seat belt", "sharing my bank password with strangers",
         "ignoring the flood warning", "walking home through the dark quarry", "gambling away the rent",
         "riding with a drunk driver"],
    ),
    "POWER": (
        ["taking charge of the whole department", "bargaining for control of the company", "buying a car to show my status",
         "giving orders to the whole crew", "becoming the richest person in town", "running for mayor to be in command",
         "making everyone ask me for permission"],
        ["letting others make all decisions for me", "giving my authority away", "turning down the post of director",
         "handing my fortune to charity and living in a hut", "refusing to lead the group",
         "obeying the youngest intern", "resigning as chair without a fight"],
    ),
    "ACHIEVEMENT": (
        ["winning first prize at the science fair", "studying all night to pass the exam", "finishing my first marathon",
         "earning a promotion by hard work", "practising the violin until it is perfect", "graduating at the top of my class",
         "setting a new record for the team"],
        ["dropping out of school for no reason", "failing the test because I did not study", "giving up after the first try",
         "skipping every training session", "handing in empty homework", "quitting the race halfway",
         "missing the deadline out of laziness"],
    ),
    "HEDONISM": (
        ["eating a whole chocolate cake for fun", "dancing all night at the beach party", "taking a long bubble bath",
         "enjoying a glass of good wine", "lying in the sun all afternoon", "spoiling myself with a massage",
         "laughing at comedies in bed"],
        ["denying myself every dessert", "refusing to ever take a holiday", "sleeping on the hard floor on purpose",
         "working through my own birthday", "leaving the party before the music starts", "eating plain rice for a month",
         "turning off every song I like"],
    ),
    "STIMULATION": (
        ["jumping out of a plane with a parachute", "travelling alone to an unknown country", "trying a new sport every month",
         "exploring a cave without a map", "riding the wildest roller coaster", "moving to a new city for the adventure",
         "learning to surf in winter"],
        ["doing exactly the same thing every day", "avoiding everything I have not done before", "refusing to leave my village",
         "ordering the same soup for ten years", "cancelling the trip because it might be exciting",
         "staying in a boring routine", "watching the same film every evening"],
    ),
    "SELF-DIRECTION": (
        ["choosing my own career against all advice", "writing a novel in my own style", "starting my own small business",
         "thinking for myself before I vote", "designing my own house", "teaching myself to program",
         "asking questions nobody else asks"],
        ["copying my friend in everything", "letting my parents pick my job", "repeating opinions I have not thought about",
         "waiting until somebody tells me what to do", "giving up my freedom to please my boss",
         "asking permission for every thought", "following the crowd without thinking"],
    ),
    "UNIVERSALISM": (
        ["planting trees to protect nature", "marching for equal rights", "recycling everything to save the planet",
         "listening to people who are different from me", "welcoming refugees to our town",
         "speaking up against racism", "rescuing birds from the oil spill"],
        ["dumping rubbish into the river", "mocking somebody because of their skin", "burning tyres in the forest",
         "treating foreigners as worthless", "hunting a rare animal for its fur", "laughing at world peace",
         "denying equal pay to women"],
    ),
    "BENEVOLENCE": (
        ["helping my neighbour carry her shopping", "cooking dinner for a sick friend", "forgiving my sister",
         "visiting my grandfather in hospital", "lending my coat to a freezing child", "comforting a friend who cries",
         "keeping a promise to my best friend"],
        ["lying to my best friend", "stealing from my grandmother", "abandoning a friend in trouble",
         "laughing at a crying child", "refusing to help my sick mother", "betraying a secret of my brother",
         "cheating my own family"],
    ),
    "CONFORMITY": (
        ["obeying the rules of the library", "waiting politely for my turn", "apologising for being late",
         "following the dress code at work", "doing what my teacher told me", "respecting my parents",
         "staying quiet during the exam"],
        ["shouting at my teacher", "breaking the rules on purpose", "cutting in line at the bakery",
         "ignoring the orders of the police", "swearing at my parents", "wearing pyjamas to the office",
         "talking loudly in the quiet carriage"],
    ),
    "TRADITION": (
        ["celebrating the harvest feast as our elders did", "praying before every meal", "wearing my grandmother's wedding dress",
         "teaching my children our old songs", "fasting on the holy days", "visiting the graves of our ancestors",
         "baking bread by an ancient recipe"],
        ["mocking the old customs of my village", "skipping the family feast at new year", "throwing away the family bible",
         "laughing during the funeral prayer", "selling our ancestral shrine", "refusing a religious wedding",
         "forgetting every custom of my ancestors"],
    ),
}
EVERYDAY = [
    "repainting the garden fence", "sorting socks by colour", "waiting for the bus", "cutting my fingernails",
    "boiling two eggs", "looking for my glasses", "cleaning the windows", "counting the stairs", "sharpening a pencil",
    "folding a paper bag", "reading the weather report", "moving the chair to the left", "watering a cactus",
    "tying my shoes", "buying stamps", "charging my phone", "opening the curtains", "peeling potatoes",
]
OPENINGS = ["", "", "I was ", "I remember ", "My cousin is ", "Today I began ", "They saw me ", "I keep "]
TAILS = ["", "", " again", " on Sunday", " last summer", " with my brother", " after work", " in the rain", " at noon"]
SHARES = (("train", 0.75), ("eval", 0.9), ("test", 1.0))


def main(folder):
    rng = random.Random(20220222)
    dress = lambda doing: rng.choice(OPENINGS) + doing + rng.choice(TAILS)
    rows = {name: [] for name, _ in SHARES}

    def split(new):
        rng.shuffle(new)
        for place, row in enumerate(new):
            rows[next(name for name, end in SHARES if (place + 0.5) / len(new) < end)].append(row)

    for value, (yes, no) in DOINGS.items():
        others = [doing for other, pair in DOINGS.items() if other != value for doing in pair[0] + pair[1]]
        unrelated = EVERYDAY + rng.sample(others, 5)
        for label, doings, times in ((1, yes, 3), (-1, no, 4), (0, unrelated, 1)):
            texts = {dress(doing) for doing in doings for _ in range(times)}
            split([(f"[{value}] {text[0].upper() + text[1:]}.", label) for text in sorted(texts)])
    # As in ValueNet itself, some texts of the test split stand in the train split too, under another value.
    everyday = [scenario for scenario, _ in rows["train"] if any(doing in scenario.lower() for doing in EVERYDAY)]
    for scenario in rng.sample(everyday, 8):
        value = rng.choice([value for value in DOINGS if f"[{value}]" not in scenario])
        rows["test"].append((f"[{value}] {scenario.split('] ', 1)[1]}", 0))
    for name, part in rows.items():
        rng.shuffle(part)
        with open(pathlib.Path(folder) / f"{name}.csv", "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["scenario", "label"])
            writer.writerows(part)
        print(name, len(part))


if __name__ == "__main__":
    main(sys.argv[1])
