"""Questions of remoter knowledge, written for this set; each answer is beyond doubt and older than 2010. Data only."""

# question, accepted words (any of them)
ASKED = [
    ("Which city was the capital of the Kingdom of Lydia?", ["Sardis"]),
    ("Who proved that the general quintic cannot be solved by radicals, in 1824?", ["Abel"]),
    ("Which chemical element has the highest melting point of all metals?", ["tungsten", "wolfram"]),
    ("What is the only country that borders both the Caspian Sea and the Persian Gulf?", ["Iran"]),
    ("Which enzyme in human saliva begins to break down starch?", ["amylase", "ptyalin"]),
    ("Who composed the opera 'Bluebeard's Castle'?", ["Bartok", "Bartók"]),
    ("In which treaty of 1648 did Spain recognise the Dutch Republic?", ["Westphalia", "Münster", "Munster"]),
    ("Which moon of Saturn has a dense nitrogen atmosphere?", ["Titan"]),
    ("What is the name of the verse form of nineteen lines with two refrains, as in 'Do not go gentle into that good night'?", ["villanelle"]),
    ("Which mathematician lends his name to the theorem that every bounded entire function is constant?", ["Liouville"]),
    ("Which strait separates Sumatra from Java?", ["Sunda"]),
    ("Who wrote the novel 'Pedro Páramo'?", ["Rulfo"]),
    ("What is the SI unit of magnetic flux?", ["weber", "Wb"]),
    ("Which amino acid is coded by the single RNA codon AUG?", ["methionine"]),
    ("Who was the last emperor of the Western Roman Empire, deposed in 476?", ["Romulus"]),
    ("Which river flows through the Iron Gates gorge?", ["Danube"]),
    ("What is the name of the smallest bone in the human body?", ["stapes", "stirrup"]),
    ("Which philosopher wrote 'The World as Will and Representation'?", ["Schopenhauer"]),
    ("From the middle of which English word does the data structure 'trie' take its name?", ["retrieval"]),
    ("Which rock is the metamorphic form of limestone?", ["marble"]),
    ("In which year was the Edict of Nantes issued?", ["1598"]),
    ("Which particle did James Chadwick discover in 1932?", ["neutron"]),
    ("What is the capital of Burkina Faso?", ["Ouagadougou"]),
    ("Which painter made 'Las Meninas'?", ["Velazquez", "Velázquez"]),
    ("Which planet did William Herschel discover?", ["Uranus"]),
    ("What is the medical word for the voice box?", ["larynx"]),
    ("Who formulated the uncertainty principle in 1927?", ["Heisenberg"]),
    ("Which dynasty ruled China right before the Qing?", ["Ming"]),
    ("What is the chemical symbol of antimony?", ["Sb"]),
    ("Which language is Maltese most closely related to: Italian, Arabic or Greek?", ["Arabic"]),
    ("Who wrote the 'Brandenburg Concertos'?", ["Bach"]),
    ("In the Beaufort scale, which number stands for a hurricane?", ["12", "twelve"]),
    ("Which Greek letter denotes the ratio of a circle's circumference to its diameter?", ["pi", "π"]),
    ("Which gas makes up most of the atmosphere of Mars?", ["carbon dioxide", "CO2"]),
    ("What is the term for a word that is spelled like another but has another meaning and sound, as 'lead' and 'lead'?", ["heteronym", "homograph"]),
    ("Which country did Prester John's legend come to be tied to in the fifteenth century: Ethiopia, Japan or Peru?", ["Ethiopia"]),
    ("Who found that a body in water seems to lose the weight of the water it displaces?", ["Archimedes"]),
    ("Which organelle carries its own circular DNA and makes most of a cell's ATP?", ["mitochondrion", "mitochondria"]),
    ("Which year saw the first flight of a hot-air balloon with people aboard, in Paris?", ["1783"]),
    ("Which sorting algorithm builds a binary heap first and then removes its root again and again?", ["heapsort", "heap sort"]),
    ("Who is the author of 'The Leopard', a novel on the decline of the Sicilian nobility?", ["Lampedusa"]),
    ("What is the deepest lake in the United States?", ["Crater Lake"]),
    ("Which mineral defines 1 on the Mohs scale?", ["talc"]),
    ("Which battle of 1071 opened Anatolia to the Seljuk Turks?", ["Manzikert", "Malazgirt"]),
    ("Which vitamin is also called cobalamin?", ["B12", "B-12"]),
    ("Which composer wrote 'The Rite of Spring'?", ["Stravinsky"]),
    ("What is the currency of Hungary?", ["forint"]),
    ("In chess, what is the name of the rule that lets a pawn take another that has just passed it?", ["en passant"]),
    ("Who first described the circulation of blood in full, in 1628?", ["Harvey"]),
    ("Which layer of the earth lies between the crust and the core?", ["mantle"]),
    ("What is the name of the theorem behind RSA that a to the power of phi(n) is 1 modulo n for coprime a and n?", ["Euler"]),
    ("Which desert covers much of southern Mongolia?", ["Gobi"]),
    ("Who was the tutor of Alexander the Great?", ["Aristotle"]),
    ("Which acid is in ant venom and takes its name from the Latin for ant?", ["formic"]),
    ("Which Dutch city hosts the International Court of Justice?", ["Hague"]),
    ("Which of Shakespeare's plays has the line 'Exit, pursued by a bear'?", ["Winter's Tale", "Winter’s Tale"]),
    ("What is the name of the boundary around a black hole from which nothing returns?", ["event horizon"]),
    ("Which Norwegian reached the South Pole first?", ["Amundsen"]),
    ("What is the most abundant protein in the human body?", ["collagen"]),
    ("Which two-word Latin phrase names evidence by the thing itself speaking, in the law of negligence 'res ...'? Give the phrase in full.", ["res ipsa loquitur"]),
]

# question, right option, wrong options
PICKED = [
    ("A ball is thrown straight up. At the top of its path its acceleration is", "directed downwards", ["zero", "directed upwards", "without direction"]),
    ("Doubling the radius of a sphere multiplies its volume by", "eight", ["two", "four", "six"]),
    ("A test finds 99 % of the ill and is wrongly positive for 1 % of the well. One in ten thousand is ill. A positive person is ill with a chance of about", "1 in 100", ["99 in 100", "1 in 2", "9 in 10"]),
    ("Which change raises the boiling point of water?", "adding salt", ["going up a mountain", "lowering the pressure", "stirring"]),
    ("If all A are B and no B is C, then", "no A is C", ["some A are C", "all C are A", "no B is A"]),
    ("The worst-case time to look up a key in a balanced search tree of n keys grows like", "log n", ["n", "n log n", "a constant"]),
    ("Two light bulbs are in series and one burns out. The other", "goes out", ["shines twice as bright", "shines on as before", "flickers"]),
    ("In a right triangle the longest side is 10 and one other is 6. The area is", "24", ["30", "48", "60"]),
    ("Water flows faster where a pipe narrows because", "the same amount must pass each second", ["the pressure pushes harder there", "friction grows", "the water grows lighter"]),
    ("An argument whose premises are true and whose conclusion is false must be", "invalid", ["sound", "circular", "valid"]),
    ("Which number is irrational?", "the square root of 8", ["the square root of 49", "0.333... without end", "22/7"]),
    ("A moving clock, seen by one at rest, runs", "slow", ["fast", "backwards", "at the same rate"]),
    ("Which gas is released when zinc meets hydrochloric acid?", "hydrogen", ["oxygen", "chlorine", "nitrogen"]),
    ("Prices rise by 10 % and then fall by 10 %. Compared with the start they are", "1 % lower", ["the same", "1 % higher", "10 % lower"]),
    ("An organism whose cells have no nucleus is", "a bacterium", ["a yeast", "an amoeba", "a fern"]),
    ("Three cards are red on both sides, blue on both, and red on one and blue on the other. You see a red face. The other side is red with a chance of", "2/3", ["1/2", "1/3", "3/4"]),
    ("The derivative of x times e to the x is", "(1 + x) e^x", ["x e^(x-1)", "e^x", "x^2 e^x"]),
    ("In a market with a price ceiling below the equilibrium price there is", "a shortage", ["a surplus", "no change", "a higher price"]),
]


def asked(rng, n):
    endings = ["One or two words.", "Just the answer.", "Keep it as short as you can.", "No sentence, only the term.", ""]
    for number, (question, words) in enumerate(ASKED[:n]):
        yield "question_answering", f"{question} {endings[number % len(endings)]}".strip(), words if len(words) > 1 else words[0], "contains", "hard"


def picked(rng, n):
    for number, (stem, right, wrong) in enumerate(PICKED[:n]):
        options = [right, *wrong]
        rng.shuffle(options)
        if number % 2:
            letters = ["A", "B", "C", "D"]
            told = "\n".join(f"{letter}) {option}" for letter, option in zip(letters, options))
            yield "reasoning", f"{stem} ...\n{told}\nReply with one capital letter.", letters[options.index(right)], {"kind": "choice", "labels": letters}, "hard"
        else:
            yield "reasoning", f"Complete the sentence with one of the endings {'; '.join(options)}.\n{stem} ...", right, {"kind": "choice", "labels": options}, "hard"


FAMILIES = [(asked, 60), (picked, 18)]
