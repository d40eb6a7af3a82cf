"""The 64 emoji of Matrix's short authentication string, with their names: number n stands at place n.

Source: the Matrix specification, data-definitions/sas-emoji.json, for emoji and English names (`\ufe0f` asks for the
coloured form); that file has no Hindi. The Hindi names were chosen for this table and held against the annotations of
Unicode's CLDR 48.2 (annotations/hi). Emoji and English names are part of the protocol and never change.
"""

from __future__ import annotations

# Emoji, English name, Hindi name.
SAS_EMOJI: tuple[tuple[str, str, str], ...] = (
    ("🐶", "Dog", "कुत्ता"),
    ("🐱", "Cat", "बिल्ली"),
    ("🦁", "Lion", "शेर"),
    ("🐎", "Horse", "घोड़ा"),
    ("🦄", "Unicorn", "यूनिकॉर्न"),
    ("🐷", "Pig", "सुअर"),
    ("🐘", "Elephant", "हाथी"),
    ("🐰", "Rabbit", "खरगोश"),
    ("🐼", "Panda", "पांडा"),
    ("🐓", "Rooster", "मुर्गा"),
    ("🐧", "Penguin", "पेंग्विन"),
    ("🐢", "Turtle", "कछुआ"),
    ("🐟", "Fish", "मछली"),
    ("🐙", "Octopus", "ऑक्टोपस"),
    ("🦋", "Butterfly", "तितली"),
    ("🌷", "Flower", "फूल"),
    ("🌳", "Tree", "पेड़"),
    ("🌵", "Cactus", "कैक्टस"),
    ("🍄", "Mushroom", "मशरूम"),
    ("🌏", "Globe", "ग्लोब"),
    ("🌙", "Moon", "चाँद"),
    ("☁\ufe0f", "Cloud", "बादल"),
    ("🔥", "Fire", "आग"),
    ("🍌", "Banana", "केला"),
    ("🍎", "Apple", "सेब"),
    ("🍓", "Strawberry", "स्ट्रॉबेरी"),
    ("🌽", "Corn", "मक्का"),
    ("🍕", "Pizza", "पिज़्ज़ा"),
    ("🎂", "Cake", "केक"),
    ("❤\ufe0f", "Heart", "दिल"),
    ("😀", "Smiley", "मुस्कान"),
    ("🤖", "Robot", "रोबोट"),
    ("🎩", "Hat", "टोपी"),
    ("👓", "Glasses", "चश्मा"),
    ("🔧", "Spanner", "पाना"),
    ("🎅", "Santa", "सांता"),
    ("👍", "Thumbs Up", "अंगूठा"),
    ("☂\ufe0f", "Umbrella", "छाता"),
    ("⌛", "Hourglass", "रेतघड़ी"),
    ("⏰", "Clock", "घड़ी"),
    ("🎁", "Gift", "उपहार"),
    ("💡", "Light Bulb", "बल्ब"),
    ("📕", "Book", "किताब"),
    ("✏\ufe0f", "Pencil", "पेंसिल"),
    ("📎", "Paperclip", "पेपरक्लिप"),
    ("✂\ufe0f", "Scissors", "कैंची"),
    ("🔒", "Lock", "ताला"),
    ("🔑", "Key", "चाबी"),
    ("🔨", "Hammer", "हथौड़ा"),
    ("☎\ufe0f", "Telephone", "टेलीफ़ोन"),
    ("🏁", "Flag", "झंडा"),
    ("🚂", "Train", "ट्रेन"),
    ("🚲", "Bicycle", "साइकिल"),
    ("✈\ufe0f", "Aeroplane", "हवाई जहाज़"),
    ("🚀", "Rocket", "रॉकेट"),
    ("🏆", "Trophy", "ट्रॉफ़ी"),
    ("⚽", "Ball", "गेंद"),
    ("🎸", "Guitar", "गिटार"),
    ("🎺", "Trumpet", "तुरही"),
    ("🔔", "Bell", "घंटी"),
    ("⚓", "Anchor", "लंगर"),
    ("🎧", "Headphones", "हेडफ़ोन"),
    ("📁", "Folder", "फ़ोल्डर"),
    ("📌", "Pin", "पिन"),
)

_HINDI = {english: hindi for _, english, hindi in SAS_EMOJI}


def hindi_name(english: str) -> str:
    """The Hindi name of the emoji with this English name; "" for none of them."""
    return _HINDI.get(english, "")
