#!/usr/bin/env python3
"""Writes persona dialogues of our own in ConvAI2's text format, to try the program out with.

python3 scripts/make_sample_dialogues.py data/dialogues

Two people meet; the second column is the own speaker, whose persona is four sentences. Half of what is said follows from
the persona, half is small talk. `revised.txt` has the turns of `original.txt` under personas in other words. The
candidates of both are drawn afterwards:

valuenet dialogue candidates data/dialogues/original.txt -o data/dialogues/original.jsonl
"""
import pathlib
import random
import sys

# A subject: questions about it, and people of whom each has the sentence in the persona, the same in other words, and
# answers.
SUBJECTS = [
    (["what do you do for a living ?", "do you work ?", "what is your job ?"], [
        ("i bake bread in a small shop .", "my mornings begin at the oven .",
         ["i am a baker , i get up at three .", "i bake bread all night long ."]),
        ("i repair old clocks .", "broken watches end up on my desk .",
         ["i mend clocks that no one else can mend .", "old clocks are my trade ."]),
        ("i drive the night bus .", "i steer while the town sleeps .",
         ["i drive a bus through the night .", "i am behind the wheel until dawn ."]),
        ("i teach maths to children .", "numbers and chalk fill my days .",
         ["i teach maths , the kids are a riot .", "i am a teacher at a school ."]),
        ("i grow flowers for the market .", "my tulips are sold on saturdays .",
         ["i grow flowers and sell them .", "i work in a greenhouse full of tulips ."]),
        ("i am a nurse on the children's ward .", "i look after the little patients .",
         ["i am a nurse , i love my patients .", "i work at the hospital with children ."]),
    ]),
    (["do you have any pets ?", "are there animals at your place ?", "cats or dogs ?"], [
        ("i have two grey cats .", "a pair of whiskers wakes me up .",
         ["two cats , and both are grey .", "my cats sleep on my keyboard ."]),
        ("my dog is called biscuit .", "biscuit pulls at the leash .",
         ["a dog , his name is biscuit .", "biscuit is the best dog there is ."]),
        ("i keep a parrot that sings .", "there is a feathered singer in my kitchen .",
         ["a parrot , and it sings opera .", "my parrot talks more than i do ."]),
        ("i have never had a pet .", "no animal ever lived with me .",
         ["no pets , i never had one .", "none at all , i like it quiet ."]),
        ("i keep bees on the roof .", "honey comes from above my flat .",
         ["does a roof full of bees count ?", "bees , some thousands of them ."]),
    ]),
    (["what do you do for fun ?", "any hobbies ?", "how do you spend your weekends ?"], [
        ("i climb mountains on weekends .", "i am happiest near a summit .",
         ["i climb , the higher the better .", "every weekend i am up on a mountain ."]),
        ("i paint boats in the harbour .", "my brushes know every sail .",
         ["i paint boats , mostly blue ones .", "i sit in the harbour and paint ."]),
        ("i collect stamps from islands .", "my album is full of tiny islands .",
         ["i collect stamps , only from islands .", "my stamps fill nine albums by now ."]),
        ("i dance tango every friday .", "on fridays you find me on the floor .",
         ["i dance tango , come along on friday .", "dancing , tango above all ."]),
        ("i play the cello badly .", "my neighbours suffer from my strings .",
         ["i play the cello , sorry to my neighbours .", "music , though i am not good at it ."]),
        ("i read three novels a week .", "my shelves bend under stories .",
         ["i read , about three books a week .", "novels , novels and novels ."]),
    ]),
    (["what matters most to you ?", "what do you care about ?", "what would you never give up ?"], [
        ("my family comes first .", "i would do anything for my children .",
         ["my family , before everything else .", "the people at home , always ."]),
        ("i want to be the best at what i do .", "second place is not for me .",
         ["being the best , i work hard for it .", "success , i will not lie ."]),
        ("i need my freedom .", "nobody tells me where to go .",
         ["my freedom , i go where i like .", "making up my own mind ."]),
        ("i look after the forest .", "every tree in our valley knows me .",
         ["the forest , we have only one .", "nature , i plant a tree each month ."]),
        ("i keep the customs of my village .", "i do things the way my grandmother did .",
         ["the old customs , they keep us together .", "what my grandparents taught me ."]),
        ("i save for a rainy day .", "my doors have three locks .",
         ["being safe , you never know .", "a calm and secure life ."]),
    ]),
]
SMALL_TALK = [
    ("how are you today ?", ["i am fine , thank you .", "a bit tired , and you ?", "very well , the sun is out ."]),
    ("where do you live ?", ["in a small town by a river .", "near the old station .", "in the north , it is cold ."]),
    ("what did you eat today ?", ["only soup so far .", "bread and cheese , as always .", "nothing yet , i am hungry ."]),
    ("do you like the rain ?", ["i do , it makes me sleepy .", "not at all , i like the sun .", "only from inside ."]),
    ("have you seen a good film ?", ["no , i fell asleep .", "yes , a very old one .", "i do not watch many films ."]),
    ("it was nice to meet you .", ["you too , goodbye .", "likewise , take care .", "see you soon , i hope ."]),
]
GREETINGS = ["hello there !", "hi , nice to meet you .", "good evening ."]


def dialogue(draw):
    """The persona, the same in other words, and the turns of a dialogue."""
    people = [(questions, draw.choice(people)) for questions, people in SUBJECTS]
    draw.shuffle(people)
    persona = [person[0] for _, person in people]
    revised = [person[1] for _, person in people]
    turns = []
    for questions, (_, _, answers) in draw.sample(people, 3):
        turns.append((draw.choice(questions), draw.choice(answers)))
    for question, answers in draw.sample(SMALL_TALK[:-1], 2):
        turns.insert(draw.randrange(len(turns) + 1), (question, draw.choice(answers)))
    question, answers = SMALL_TALK[-1]
    turns.append((question, draw.choice(answers)))
    return persona, revised, [(f"{draw.choice(GREETINGS)} {turns[0][0]}", turns[0][1]), *turns[1:]]


def text(persona, turns):
    lines = [f"your persona: {sentence}" for sentence in persona]
    lines += [f"{partner}\t{own}" for partner, own in turns]
    return "".join(f"{number} {line}\n" for number, line in enumerate(lines, 1))


def main():
    folder = pathlib.Path(sys.argv[1])
    draw = random.Random(1)
    train = [dialogue(draw) for _ in range(200)]
    test = [dialogue(draw) for _ in range(25)]
    files = {
        "train": [text(persona, turns) for persona, _, turns in train],
        "original": [text(persona, turns) for persona, _, turns in test],
        "revised": [text(revised, turns) for _, revised, turns in test],
    }
    for name, dialogues in files.items():
        (folder / f"{name}.txt").write_text("".join(dialogues), encoding="utf-8")


if __name__ == "__main__":
    main()
