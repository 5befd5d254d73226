"""Small edits of given text: spelling, capitals and marks, lists, word forms, shortening, and finding addresses and numbers in it."""

import json
import re

import wordings as W

from . import passages
from .text import chance, fill, first_upper, invented, lines, person, pick, rows, single, split, value

SUPPORT = [text for texts in W.SUPPORT.values() for text in texts]
DETAILS = [detail for _, details, _ in passages.THEMES for detail in details]
MORE = lines("""
We are going to the beach tomorrow because the weather is nice.
My brother bought a new bicycle last week.
Please remember to bring your umbrella.
I will call you as soon as I arrive.
The children are playing in the garden.
She always drinks a cup of tea before work.
They finished the project two days early.
Do you know when the library closes?
He forgot his keys on the kitchen table.
The meeting was moved to the big room upstairs.
Our neighbours have a very friendly dog.
I think the answer is on the next page.
The teacher explained the lesson twice.
We should leave before it gets dark.
Nobody knew where the money was.
The train was late again this morning.
Can you help me carry these boxes?
There is a small shop at the end of the street.
I would like to book a table for four people.
The doctor said I need more sleep.
My favourite season is autumn.
You can find the report on my desk.
It was the best holiday we ever had.
The printer is out of paper.
She wrote a long letter to her grandmother.
Let me know if you have any questions.
The window was open all night.
I have never seen such a beautiful view.
The soup needs a little more salt.
We met at the station at half past nine.
""")


def sentence(rng):
    """A clean sentence with its capital and mark."""
    draw = rng.random()
    if draw < 0.3:
        text = fill(rng, rng.choice(SUPPORT))
        text += "" if text[-1] in ".?!" else "."
    elif draw < 0.55:
        text = rng.choice(DETAILS)
    elif draw < 0.75:
        text = passages.Passage(rng, chance(rng, 0.2)).text.split(". ")[0].rstrip(".") + "."
    else:
        text = rng.choice(MORE)
    return first_upper(text)


# ------------------------------------------------------------------------------------------------- spelling

MISSPELLED = dict(pair.split("=") for pair in """
absence=absense acceptable=acceptible accidentally=accidently accommodate=accomodate achieve=acheive across=accross address=adress aggressive=agressive
amateur=amature among=amoung annual=anual apparent=apparant appearance=appearence argument=arguement assistance=assistence athlete=athelete attendance=attendence
author=auther awful=awfull balance=ballance basically=basicly beautiful=beautifull because=becuase beginning=begining behaviour=behavour belief=beleif believe=beleive
benefit=benifit biscuit=biscit bought=bougth breakfast=brekfast breathe=breath'e bicycle=bycicle building=bilding business=busness calendar=calender careful=carefull
ceiling=cieling cemetery=cemetary certain=certian changeable=changable chief=cheif children=childern clothes=cloths colleague=collegue coming=comming
committee=commitee completely=completly conscience=concience conscious=concious convenient=convinient correspondence=correspondance could=coud country=contry course=corse
criticism=critisism curiosity=curiousity daughter=daugther decide=deside definite=definate definitely=definately delicious=delishious describe=discribe desperate=desparate
difference=diffrence different=diffrent dilemma=dilema disappear=dissapear disappoint=dissapoint disappointed=dissapointed disease=desease doctor=docter does=dose's
early=erly easily=easely eight=eigth eighth=eigth electric=electrik embarrass=embarass embarrassed=embarassed engineer=enginer enough=enouf environment=enviroment
equipment=equiptment escape=excape especially=especialy exaggerate=exagerate excellent=excelent except=exept exercise=excercise existence=existance expensive=expencive
experience=experiance explanation=explaination extremely=extremly family=familly familiar=familier fascinating=facinating favourite=favorit february=febuary field=feild
finally=finaly flavour=flaver foreign=foriegn forty=fourty forward=foward fourteen=forteen friend=freind friendly=freindly friends=freinds fulfil=fullfil
garage=garadge garden=gardin generally=generaly genius=genious government=goverment grammar=grammer grateful=greatful guarantee=garantee guard=gaurd guess=gess
guest=geust guide=giude happened=happend happily=happyly harass=harrass healthy=helthy heard=herd'd height=heigth hello=helo heroes=heros holiday=holliday honest=onest
hospital=hospitle hour=houre humorous=humerous hundred=hunderd hungry=hungery husband=husbend ignorance=ignorence imaginary=imaginery immediately=immediatly
important=importent incredible=incredable independent=independant innocent=inocent intelligent=inteligent interesting=intresting interrupt=interupt island=iland
jealous=jelous jewellery=jewelery journey=jurney judgement=judgment't kitchen=kichen knife=knive knowledge=knowlege language=langauge laugh=laff lawyer=layer'
leisure=liesure letter=leter library=libary license=lisence lightning=lightening likely=likley listen=lissen literature=litrature little=littel lovely=lovley
machine=mashine maintenance=maintenence marriage=marrage material=materiel meant=ment medicine=medecine message=mesage million=milion minute=minuit mischievous=mischievious
misspell=mispell modern=moderne money=mony morning=morining mountain=mountin muscle=mussel' museum=musium naturally=naturaly necessary=neccessary necessary=necesary
neighbour=nieghbour neighbours=nieghbours neither=niether nephew=nefew niece=neice nineteen=ninteen ninety=ninty noticeable=noticable nowadays=nowdays
occasion=ocassion occasionally=occasionaly occurred=occured occurrence=occurence office=ofice often=offen once=wonce opinion=opinon opportunity=oppertunity
opposite=oposite original=orginal package=packege parallel=paralel parliament=parliment particular=perticular passenger=passanger peaceful=peacefull people=poeple
perform=preform perhaps=prehaps permanent=permanant persistent=persistant personnel=personel persuade=pursuade pharmacy=farmacy photograph=fotograph phone=fone
physical=fysical picture=picturre piece=peice planning=planing' please=plese pleasant=plesant popular=populer possess=posess possible=posible potato=potatoe practical=practicle
precious=preshus preferred=prefered prepare=preper presence=presance pretty=prety privilege=priviledge probably=probly problem=probelm professional=proffesional
professor=proffessor promise=promiss pronunciation=pronounciation psychology=psycology publicly=publically purpose=purpus quarter=quater question=qestion queue=que' quiet=qiet
quite=qite really=realy receipt=reciept receive=recieve received=recieved recent=resent' recognise=reconise recommend=recomend refrigerator=refridgerator relevant=relevent
relief=releif religious=religous remember=rember repetition=repitition report=reporrt responsible=responsable restaurant=restaraunt rhyme=ryme rhythm=rythm ridiculous=rediculous
route=routte running=runing safety=safty sandwich=sandwhich saturday=saterday scene=sceen schedule=shedule school=shcool science=sience scissors=sissors search=serch season=seeson
secretary=secratary seize=sieze sentence=sentance separate=seperate september=septembar sergeant=sargent several=sevral shoulder=sholder similar=similer since=sinse
sincerely=sincerly skilful=skillfull soldier=soilder something=somthing sometimes=sometimse special=speshal speech=speach spoon=spon' station=staition stomach=stomack
straight=strait' strength=strenth stubborn=stuborn successful=succesful sudden=suddden suggest=sugest summer=sumer sure=shure surprise=suprise sweat=swet sword=sord
table=tabel teacher=techer technical=tecnical temperature=temprature theatre=theater' their=thier therefore=therefor' thought=thougth thousand=thousend
threshold=threshhold through=throgh thursday=thurday tired=tierd together=togehter toilet=tolet tomato=tomatoe tomorrow=tommorow tongue=tounge tonight=tonite touch=toutch
traffic=trafic tragedy=tradgedy train=trane truly=truely tuesday=teusday twelfth=twelth twelve=twelv unfortunately=unfortunatly until=untill unusual=unusuall useful=usefull
usually=usualy vacuum=vaccum valuable=valueable vegetable=vegtable vehicle=vehical very=verry village=villege visible=visable visitor=visiter water=watter weather=wether
wednesday=wensday week=weeek weird=wierd welcome=wellcome were=wer where=were' which=wich whole=hole' window=windoe winter=wintter woman=womman wonderful=wonderfull
work=werk would=woud write=wirte writing=writting written=writen yacht=yaht yesterday=yesturday yield=yeild young=yuong your=yoru
""".split() if "'" not in pair)
SPELL = lines("""
Correct the spelling: {x}
Fix the spelling mistakes: {x}
Correct the spelling in this sentence.\\n{x}
Fix the typos in: {x}
{x}\\n\\nRewrite the sentence with correct spelling.
Please correct any spelling errors in the text below.\\n\\n{x}
Repair the typos: "{x}"
Spell-check this: {x}
Rewrite without spelling mistakes: {x}
Text: {x}\\nCorrected:
There are typos in this text. Fix them: {x}
Return the sentence with right spelling only: {x}
Proofread: {x}
Here is a sentence with misspelled words: {x}\\nWrite it correctly.
Clean up the typos in the following.\\n{x}
Mend the spelling of this line: {x}
""")
SPELL_WORD = lines("""
What is the correct spelling of "{x}"?
Correct the spelling of this word: {x}
How do you spell {x} correctly?
Fix the typo: {x}
Spell this word right: {x}
{x} is misspelled. What is the right spelling?
Correct word for "{x}"?
The word {x} is wrong. Write it correctly.
Right spelling of {x}:
""")
SYSTEM_EDIT = {
    "spell": ["Correct the spelling of each message. Return only the corrected text.", "Fix typos. Output the corrected text only.", "You are a spell checker.",
              "Proofread what the user writes and answer with the corrected sentence."],
    "marks": ["Add capital letters and punctuation. Return only the sentence.", "Restore casing and punctuation.", "You write each sentence with the right capitals and final mark.",
              "Make each message a proper sentence."],
    "upper": ["Answer with the user's text in upper case.", "Write everything the user says in capital letters.", "Upper-case each message.", "Turn each text into capitals."],
}


def broken(rng, word):
    """A misspelling by rule; letters swapped, dropped or doubled inside the word."""
    at = rng.randint(1, len(word) - 3)
    return rng.choice([word[:at] + word[at + 1] + word[at] + word[at + 2:], word[:at] + word[at + 1:], word[:at] + word[at] + word[at:]])


KNOWN = set(re.findall(r"[a-z]+", " ".join(SUPPORT + DETAILS + MORE).lower())) | set(MISSPELLED)


def misspell(rng, text):
    words = text.split(" ")
    places = [i for i, word in enumerate(words) if re.fullmatch(r"[A-Za-z]{5,}[.,?!]?", word) and (word[0].islower() or i == 0) and word.lower().strip(".,?!") in KNOWN
              or word.lower().strip(".,?!") in MISSPELLED]
    if not places:
        return None
    for i in rng.sample(places, min(len(places), rng.choice([1, 1, 2, 2, 3]))):
        word = words[i].rstrip(".,?!")
        mark = words[i][len(word):]
        if word.lower() in MISSPELLED and (len(word) < 5 or chance(rng, 0.7)):
            wrong = MISSPELLED[word.lower()]
            wrong = first_upper(wrong) if word[0].isupper() else wrong
        else:
            wrong = broken(rng, word)
        if wrong.lower() == word.lower() or wrong.lower() in KNOWN:
            return None
        words[i] = wrong + mark
    return " ".join(words)


def spelling(rng, data, held):
    if chance(rng, 0.3):
        word = rng.choice([w for w in MISSPELLED if w == w.lower()])
        wrong = MISSPELLED[word] if chance(rng, 0.7) or len(word) < 5 else broken(rng, word)
        if wrong == word or word in ("february", "wednesday", "saturday", "september", "thursday", "tuesday") or wrong in KNOWN:
            return spelling(rng, data, held)
        return single(first_upper(pick(rng, SPELL_WORD, held).replace("{x}", wrong)), word)
    turns = rng.randint(1, 3) if chance(rng, 0.15) else 0
    messages = [("system", pick(rng, SYSTEM_EDIT["spell"], held))] if turns else []
    while len(messages) < (2 * turns + 1 if turns else 2):
        text = sentence(rng)
        wrong = text if chance(rng, 0.05) else misspell(rng, text)
        if wrong:
            messages += [("user", wrong if turns else pick(rng, SPELL, held).replace("{x}", wrong)), ("assistant", text)]
    return messages


# ------------------------------------------------------------------------------------- capitals, marks, case

MARKS = lines("""
Add capital letters and punctuation: {x}
Fix the punctuation and capitals: {x}
Write this as a proper sentence: {x}
Correct the casing and punctuation.\\n{x}
{x}\\n\\nAdd the missing capitals and marks.
Put in capital letters and a final mark: {x}
Punctuate this: {x}
Restore capitals and punctuation in: {x}
Make this sentence correct (capitals, full stop): {x}
The capitals and marks are missing: {x}\\nCorrect sentence:
Tidy up this sentence: {x}
Use correct casing and punctuation: {x}
""")


def marks(rng, data, held):
    while True:
        text = rng.choice([sentence(rng), rng.choice(MORE), f"{person(rng)} lives in {value(rng, 'city')}.", f"We meet {person(rng)} on {rng.choice(W.WEEKDAYS)}.",
                           f"Is {person(rng)} from {rng.choice(W.COUNTRIES)}?", f"I was born in {rng.choice(W.MONTHS)}.", f"Can {rng.choice(W.FIRST_NAMES)} come to {rng.choice(W.CITIES)} in {rng.choice(W.MONTHS)}?"])
        if re.fullmatch(r"[\w '’]+[.?]", text):
            break
    bare = text.lower().rstrip(".?!")
    if text.endswith("?") and not re.match(r"(?i)(what|who|where|when|why|how|which|is|are|can|could|do|does|did|has|have|will|would|should|may|was)\b", bare):
        text = text[:-1] + "?"
    if chance(rng, 0.15):
        bare = bare.upper()
    if chance(rng, 0.12):
        return single(bare, text, pick(rng, SYSTEM_EDIT["marks"], held))
    return single(pick(rng, MARKS, held).replace("{x}", bare), text)


CASES = rows("""
Write in upper case: {x} / Convert to uppercase: {x} / Make this all caps: {x} / Put in capital letters: {x} / {x}\\nIn capitals, please. / Change the text to capitals: {x} / UPPERCASE this: {x} / Use only capital letters: {x} || upper
Write in lower case: {x} / Convert to lowercase: {x} / Make this all small letters: {x} / Put in lower case letters: {x} / {x}\\nIn small letters, please. / Remove the capitals: {x} / lowercase this: {x} / Use no capital letters: {x} || lower
Write in title case: {x} / Convert to title case: {x} / Capitalize every word: {x} / Make this a title with each word capitalized: {x} / Start each word with a capital: {x} / Title Case for: {x} || title
Join these words with hyphens: {x} / Replace the spaces by hyphens: {x} / Write with hyphens in place of spaces: {x} / Turn into kebab-case: {x} / Hyphenate the words: {x} || hyphen
Turn into snake_case: {x} / Join these words with underscores: {x} / Replace spaces with underscores: {x} / Write as snake_case: {x} / Underscore between the words: {x} || snake
Put quotation marks around this: {x} / Wrap in double quotes: {x} / Add double quotes around: {x} / Quote this text: {x} || quote
What are the initials of {n}? / Initials of {n}? / Give the initials: {n} / Write the initials of the name {n}. || initials
""")


def change_case(rng, data, held):
    asks, (kind,) = rng.choice(CASES[:3] * 3 + CASES)
    text = rng.choice([sentence(rng), rng.choice(MORE), " ".join([invented(rng), rng.choice(W.COLORS), rng.choice(W.PRODUCTS)]), person(rng) + " from " + value(rng, "city")])
    if kind in ("title", "hyphen", "snake"):
        text = re.sub(r"[^\w ]", "", " ".join(text.split()[:rng.randint(2, 6)])).strip()
        text = text.lower() if kind != "hyphen" or chance(rng, 0.6) else text
    name = rng.choice(W.FIRST_NAMES) + " " + rng.choice(W.LAST_NAMES)
    answer = {"upper": text.upper(), "lower": text.lower(), "title": " ".join(first_upper(w) for w in text.split()), "hyphen": text.replace(" ", "-"),
              "snake": text.replace(" ", "_"), "quote": f'"{text}"', "initials": "".join(w[0] for w in name.split())}[kind]
    if kind == "quote" and '"' in text:
        return change_case(rng, data, held)
    if kind == "upper" and chance(rng, 0.1):
        return single(text, answer, pick(rng, SYSTEM_EDIT["upper"], held))
    return single(pick(rng, asks, held).replace("{x}", text).replace("{n}", name), answer)


REPLACE = lines("""
Replace "{a}" with "{b}" in this sentence: {x}
Change {a} to {b}: {x}
In the text below, swap the word {a} for {b}.\\n{x}
{x}\\n\\nReplace {a} by {b}.
Use {b} instead of {a}: {x}
Rewrite with {b} in place of {a}: {x}
Text: {x}\\nChange the word "{a}" into "{b}".
Put {b} where it says {a}: {x}
""")
REMOVE = ["Remove the word \"{a}\" from this sentence: {x}", "Delete {a} from: {x}", "{x}\\nLeave out the word {a}.", "Take the word {a} out of this text: {x}"]


def replace_word(rng, data, held):
    kinds = rng.choice([(W.COLORS, 0), (W.WEEKDAYS, 0), (W.MONTHS, 0), (W.CITIES, 0), (W.FIRST_NAMES, 0), (W.COUNTRIES, 0), (W.PRODUCTS, 0)])[0]
    a, b = rng.sample(kinds, 2)
    frames = ["The {a} one is mine.", "I like the {a} bag best."] if kinds is W.COLORS else ["We meet on {a} at noon.", "Is the shop open on {a}?"] if kinds is W.WEEKDAYS else \
        ["The course starts in {a}.", "My birthday is in {a}."] if kinds is W.MONTHS else ["The flight to {a} is late.", "She moved to {a} last year."] if kinds in (W.CITIES, W.COUNTRIES) else \
        ["{a} called me this morning.", "Please ask {a} for the key."] if kinds is W.FIRST_NAMES else ["I bought a {a} for my sister.", "The {a} is on sale today."]
    text = rng.choice(frames).replace("{a}", a)
    if chance(rng, 0.5):
        text += " " + sentence(rng)
    if text.count(a) > 1:
        return replace_word(rng, data, held)
    if chance(rng, 0.1) and kinds is W.COLORS:
        return single(pick(rng, REMOVE, held).replace("\\n", "\n").replace("{a}", a).replace("{x}", text), text.replace(a + " ", "", 1))
    return single(pick(rng, REPLACE, held).replace("{a}", a).replace("{b}", b).replace("{x}", text), text.replace(a, b))


# ---------------------------------------------------------------------------------------------------- lists

JSON_LIST = lines("""
Turn this list into a JSON array: {x}
Convert to a JSON list: {x}
Write as a JSON array of strings: {x}
{x}\\nAs JSON list:
Make a JSON list from: {x}
Return these items as a JSON array.\\n{x}
JSON array of: {x}
Format the items as JSON: {x}
Give me a JSON list with these items: {x}
Items: {x}\\nJSON:
List to JSON: {x}
Put the following words in a JSON array: {x}
""")
LIST_EDIT = rows("""
Remove the duplicates: {d} / Remove repeated items from this list: {d} / Delete duplicates in: {d} / {d}\\nKeep each item only once. / List without duplicates: {d} / Drop the double entries: {d} / Deduplicate: {d} || unique
Write as a bullet list: {x} / Turn into bullet points: {x} / Make bullets of: {x} / {x}\\nAs a list with dashes, one item per line. / Put each item on its own line with a dash: {x} / Bulleted list of: {x} || bullets
Number these items: {x} / Make a numbered list: {x} / {x}\\nAs a numbered list. / Turn into a list with numbers: {x} / Write as 1., 2., 3.: {x} || numbered
Write this JSON list as plain text with commas: {j} / {j}\\nAs a comma separated list. / Turn the JSON array into a comma list: {j} / List the items of {j} separated by commas. / Comma list from JSON: {j} || commas
Join with "and": {x} / Write these as a phrase with and before the last: {x} / {x}\\nPut "and" before the last item. / Make this list end with "and": {x} || and
How many items are in this list? {x} / Count the items: {x} / Number of items in: {x} / {x}\\nHow many entries? || count
Is {a} in this list? {x} / Does the list contain {a}? {x} / List: {x}\\nIs {a} one of them? / Check if {a} is in the list: {x} || has
Add {a} to the end of this list: {x} / Append {a}: {x} / {x}\\nPut {a} at the end of the list. / Extend the list by {a}: {x} || add
Remove {r} from this list: {x} / Delete {r}: {x} / {x}\\nTake out {r}. / Drop {r} from the list: {x} || remove
""")
ITEMS = [W.FIRST_NAMES, W.CITIES, W.COUNTRIES, W.COLORS, W.PRODUCTS, W.WEEKDAYS, W.MONTHS, W.JOBS,
         [item for items in passages.CATEGORIES.values() for item in items]]


def drawn_items(rng, most=6):
    source = rng.choice(ITEMS)
    items = rng.sample(source, rng.randint(2, most))
    if chance(rng, 0.15):
        items = [invented(rng) for _ in items]
    if chance(rng, 0.08):
        items = [str(rng.randint(1, 99)) for _ in items]
    return list(dict.fromkeys(items))


def json_list(rng, data, held):
    turns = rng.randint(1, 3) if chance(rng, 0.12) else 0
    messages = [("system", pick(rng, ["Turn each list into a JSON array.", "Answer with a JSON list of the items the user names.", "You convert comma lists to JSON.",
                                      "Reply with a JSON array of strings."], held))] if turns else []
    for _ in range(max(1, turns)):
        items = drawn_items(rng)
        if chance(rng, 0.12):
            items = [w.strip(".,?!") for w in rng.choice(MORE).split()][:6]
        shown = rng.choice([", ".join(items)] * 4 + ["\n" + "\n".join(items), "; ".join(items), "\n- " + "\n- ".join(items), ", ".join(items[:-1]) + (" and " if len(items) > 1 else "") + items[-1]])
        numbers = all(item.isdigit() for item in items)
        template = pick(rng, JSON_LIST, held)
        if numbers:
            template = template.replace("array of strings", "array").replace("words", "numbers")
        answer = json.dumps([int(i) for i in items] if numbers and "array of strings" not in str(messages) else items, ensure_ascii=False)
        messages += [("user", shown.strip("\n") if turns else template.replace("{x}", shown)), ("assistant", answer)]
    return messages


def list_edit(rng, data, held):
    asks, (kind,) = rng.choice(LIST_EDIT[:1] * 4 + LIST_EDIT)
    items = drawn_items(rng)
    if len(items) < 2:
        return list_edit(rng, data, held)
    doubled = items + rng.choices(items, k=rng.randint(1, 3))
    rng.shuffle(doubled)
    other = rng.choice([item for item in rng.choice(ITEMS) if item not in items])
    asked = rng.choice(items) if kind == "has" and chance(rng, 0.5) else other
    gone = rng.choice(items)
    answer = {"unique": ", ".join(dict.fromkeys(doubled)), "bullets": "- " + "\n- ".join(items), "numbered": "\n".join(f"{i}. {item}" for i, item in enumerate(items, 1)),
              "commas": ", ".join(items), "and": ", ".join(items[:-1]) + " and " + items[-1], "count": str(len(items)), "has": "Yes" if asked in items else "No",
              "add": ", ".join(items + [other]), "remove": ", ".join(i for i in items if i != gone)}[kind]
    text = pick(rng, asks, held).replace("{x}", ", ".join(items)).replace("{d}", ", ".join(doubled)).replace("{j}", json.dumps(items, ensure_ascii=False))
    return single(text.replace("{a}", asked).replace("{r}", gone), answer)


# ------------------------------------------------------------------------------------------------ extraction

CONTACT_ASK = rows("""
Extract the email address: {x} / Find the e-mail address in this text.\\n{x} / What is the email address? {x} / {x}\\nGive me the e-mail address only. / Which email is in this message? {x} / Pull the email out of: {x} / Email in the text: {x} || email
Extract the phone number: {x} / Find the phone number in this text.\\n{x} / What is the phone number? {x} / {x}\\nGive me the telephone number only. / Which phone number is in this message? {x} / Pull the phone number out of: {x} / Number to call: {x} || phone
Extract the URL: {x} / Find the link in this text.\\n{x} / What is the web address? {x} / {x}\\nGive me the URL only. / Which link is in this message? {x} / Pull the URL out of: {x} / Web address in the text: {x} || url
Extract the order number: {x} / Find the order number in this text.\\n{x} / What is the order number? {x} / {x}\\nGive me the order number only. / Which order is this about? {x} / Pull the order number out of: {x} || order
Extract the amount of money: {x} / How much money is named in this text?\\n{x} / What is the price? {x} / {x}\\nGive me the amount only. / Which amount is in this message? {x} / Pull the amount out of: {x} || amount
Extract the name of the person: {x} / Who is named in this text?\\n{x} / Find the person's name: {x} / {x}\\nGive me the name only. / Which person is in this message? {x} / Pull the name out of: {x} || name
Extract the city: {x} / Which city is named in this text?\\n{x} / Find the city: {x} / {x}\\nGive me the city only. / Which place is in this message? {x} / Pull the city out of: {x} || city
Extract the date or day: {x} / Find the date in this text.\\n{x} / Which day is named? {x} / {x}\\nGive me the date only. / When is it? {x} / Pull the date out of: {x} || date
""")
ALL_ASK = {"email": lines("""
Extract all email addresses: {x}
List every e-mail address in this text, separated by commas.\\n{x}
Find all emails in: {x}
{x}\\nWhich email addresses are in the text?
"""), "phone": lines("""
Extract all phone numbers: {x}
List every phone number in this text, separated by commas.\\n{x}
Find all telephone numbers in: {x}
{x}\\nWhich phone numbers are in the text?
"""), "url": lines("""
Extract all URLs: {x}
List every link in this text, separated by commas.\\n{x}
Find all web addresses in: {x}
{x}\\nWhich links are in the text?
""")}
CARRIERS = {
    "email": ["You can reach me at {v}.", "Please write to {v} for details.", "My e-mail is {v}.", "Send the file to {v}, please.", "Contact {v} if you need help.", "Questions? {v}", "The new address is {v} from now on."],
    "phone": ["Call me at {v}.", "My number is {v}.", "You can ring us on {v} until six.", "Phone: {v}.", "Text {v} when you arrive.", "The office can be reached at {v}."],
    "url": ["See {v} for more.", "The form is at {v} now.", "Visit {v} to sign up.", "More photos: {v}", "Our new page {v} is online.", "I found it on {v} yesterday."],
    "order": ["It is about order {v}.", "My order number is {v}.", "Order {v} has not come.", "Please check order {v}.", "I would like to change order {v}."],
    "amount": ["I paid {v} for it.", "The bill says {v}.", "Please send {v} by bank transfer.", "It costs {v}.", "They charged me {v}."],
    "name": ["Please ask for {v}.", "I spoke with {v} about it.", "{v} will take care of this.", "The room is booked for {v}.", "Give the parcel to {v}."],
    "city": ["I live in {v}.", "We are moving to {v}.", "The office in {v} is closed.", "Our flight leaves from {v}.", "The fair takes place in {v}."],
    "date": ["It happens on {v}.", "The meeting is on {v}.", "I will be there on {v}.", "We close on {v}.", "Please deliver it on {v}."],
}
FILLER = lines("""
Hello team,
Hi there,
Thank you for your message.
I hope you are well.
The weather is lovely here.
We had a great time last week.
I look forward to your answer.
Have a nice day!
Best wishes
Please let me know if this works.
The parcel looks good.
I have one more question.
It is quite urgent.
There is no hurry.
My brother told me about your shop.
The colour is nicer than I thought.
""")
MISSING = lines("""
If there is none, answer "none".
Answer "none" if there is none.
Say none if the text has none.
If you find nothing, write "none".
""")


def contact(rng, kind):
    if kind == "url":
        host = rng.choice(["www.", "", "shop.", "docs."]) + invented(rng) + rng.choice(["", "-" + invented(rng)]) + rng.choice([".com", ".org", ".net", ".io", ".de"])
        tail = rng.choice(["", "", "/" + invented(rng), "/help/" + invented(rng), f"/items/{rng.randint(1, 999)}", "/" + invented(rng) + ".html"])
        return rng.choice(["https://", "https://", "http://", ""]) + host + tail if host.startswith("www.") else "https://" + host + tail
    if kind == "date":
        return rng.choice([rng.choice(W.WEEKDAYS), f"{rng.choice(W.MONTHS)} {rng.randint(1, 28)}", f"{rng.randint(1, 28)} {rng.choice(W.MONTHS)}",
                           f"{rng.randint(2015, 2030)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}", f"{rng.randint(1, 28)} {rng.choice(W.MONTHS)} {rng.randint(2015, 2030)}"])
    return value(rng, kind)


def extraction(rng, data, held):
    asks, (kind,) = rng.choice(CONTACT_ASK[:3] * 2 + CONTACT_ASK)
    found = contact(rng, kind)
    others = rng.sample([k for k in CARRIERS if k != kind], rng.choice([0, 0, 1, 1, 2]))
    parts = [rng.choice(CARRIERS[k]).replace("{v}", contact(rng, k)) for k in others]
    wanted, answers = 1, [found]
    ask = pick(rng, asks, held)
    if kind in ALL_ASK and chance(rng, 0.2):
        wanted = rng.choice([1, 2, 2, 3])
        answers = list(dict.fromkeys(contact(rng, kind) for _ in range(wanted)))
        ask = pick(rng, ALL_ASK[kind], held)
    carriers = rng.sample(CARRIERS[kind], len(answers))
    lead = ""
    if kind in ALL_ASK and chance(rng, 0.15):
        lead = " " + pick(rng, MISSING, held)
        if chance(rng, 0.6):
            answers = []
    mine = [c.replace("{v}", a) for c, a in zip(carriers, answers)]
    parts += rng.sample(FILLER, rng.choice([0, 1, 1, 2])) if parts or mine else rng.sample(FILLER, 2)
    for place, part in zip(sorted(rng.randint(0, len(parts)) for _ in mine), mine):
        parts.insert(place, part)
    text = " ".join(parts)
    answers.sort(key=text.find)
    if any(text.count(a) > 1 for a in answers):
        return extraction(rng, data, held)
    return single(ask.replace("{x}", text) + lead, ", ".join(answers) or "none")


# ----------------------------------------------------------------------------------------------- shortening

PAD = lines("""
Dear Sir or Madam, I hope this message finds you well. {c} Thank you very much for your time and kind attention.
Good morning dear colleagues, I hope you had a wonderful weekend. {c} With my very best wishes, {n}
Hello {n}, I trust all is going well with you and your family. {c} I look forward to hearing from you soon.
Hi everyone, sorry to bother you again. {c} Have a great day!
Dear {n}, thank you so much for your last letter, it made me smile. {c} All the best to you.
To whom it may concern, please excuse my late reply. {c} Kind regards
Hey {n}, long time no see! {c} Talk soon!
Good evening, I am sorry to write so late. {c} Many thanks in advance!
Hello, my name is {n} and I have been a customer for years. {c} Thanks a lot for your help.
Dear team, as you all know we are very busy these days. {c} Best, {n}
Greetings {n}, it was so nice to see you last week. {c} Warm wishes from all of us.
""")
CORES = lines("""
The meeting is moved to {w}.
Please send the report by {w}.
The office is closed on {w}.
I need the invoice for the {p}.
The {p} has arrived.
I can't come on {w}.
Please call me before {t}.
The price of the {p} is {a}.
We need {k} more chairs.
My flight to {y} was cancelled.
Lunch is at {t}.
Please return the {p}.
The printer works again.
I would like to book {k} seats.
My new address is in {y}.
Please water the plants on {w}.
The lesson starts at {t}.
Our trip to {y} costs {a}.
""")
SHORTEN = lines("""
Shorten this message to the main point: {x}
Make this shorter: {x}
What is the core of this message? {x}
{x}\\n\\nKeep only the important sentence.
Remove the polite parts: {x}
Give the message without greeting and closing: {x}
Summarize this mail in one sentence.\\n\\n{x}
Cut everything but the main point.\\n{x}
Message: {x}\\nShort version:
Strip the small talk from: {x}
What does the writer want to say? {x}
""")


def shorten(rng, data, held):
    core = pick(rng, CORES, held)
    for mark, kind in (("{w}", "weekday"), ("{p}", "product"), ("{t}", "time"), ("{a}", "amount"), ("{k}", "n"), ("{y}", "city")):
        core = core.replace(mark, value(rng, kind)) if mark in core else core
    text = pick(rng, PAD, held).replace("{c}", core).replace("{n}", person(rng).split()[0])
    return single(pick(rng, SHORTEN, held).replace("{x}", text), core)


# ------------------------------------------------------------------------------------------------ word forms

PLURALS = dict(pair.split("=") for pair in """child=children man=men woman=women foot=feet tooth=teeth goose=geese mouse=mice person=people ox=oxen knife=knives wife=wives
life=lives leaf=leaves wolf=wolves half=halves shelf=shelves loaf=loaves thief=thieves calf=calves scarf=scarves sheep=sheep fish=fish deer=deer potato=potatoes tomato=tomatoes
hero=heroes echo=echoes city=cities baby=babies party=parties country=countries story=stories lady=ladies family=families berry=berries cherry=cherries factory=factories body=bodies
army=armies box=boxes fox=foxes bus=buses class=classes glass=glasses dress=dresses church=churches watch=watches dish=dishes brush=brushes bench=benches beach=beaches kiss=kisses
match=matches lunch=lunches boy=boys toy=toys key=keys day=days monkey=monkeys piano=pianos photo=photos radio=radios zoo=zoos roof=roofs chief=chiefs cat=cats dog=dogs book=books
table=tables chair=chairs house=houses car=cars tree=trees apple=apples pencil=pencils window=windows door=doors school=schools teacher=teachers student=students flower=flowers
bird=birds horse=horses river=rivers road=roads town=towns friend=friends brother=brothers sister=sisters letter=letters number=numbers garden=gardens hat=hats bottle=bottles
computer=computers phone=phones ticket=tickets train=trains ship=ships island=islands mountain=mountains song=songs game=games idea=ideas picture=pictures cake=cakes egg=eggs
spoon=spoons plate=plates cup=cups bed=beds room=rooms shop=shops street=streets bridge=bridges lamp=lamps shoe=shoes sock=socks coat=coats nose=noses eye=eyes ear=ears hand=hands""".split())
PAST = dict(pair.split("=") for pair in """go=went come=came see=saw eat=ate drink=drank take=took give=gave make=made have=had do=did say=said get=got know=knew think=thought find=found
tell=told become=became leave=left feel=felt put=put bring=brought begin=began keep=kept hold=held write=wrote stand=stood hear=heard let=let mean=meant set=set meet=met run=ran
pay=paid sit=sat speak=spoke lie=lay lead=led read=read grow=grew lose=lost fall=fell send=sent build=built understand=understood draw=drew break=broke spend=spent cut=cut rise=rose
drive=drove buy=bought wear=wore choose=chose sing=sang swim=swam sleep=slept teach=taught catch=caught fight=fought fly=flew forget=forgot hide=hid ride=rode sell=sold shoot=shot
steal=stole throw=threw win=won wake=woke shake=shook ring=rang sink=sank bite=bit blow=blew freeze=froze hurt=hurt hit=hit cost=cost shut=shut lend=lent bend=bent dig=dug feed=fed
hang=hung shine=shone strike=struck swear=swore sweep=swept tear=tore weep=wept wind=wound walk=walked talk=talked play=played work=worked call=called ask=asked help=helped
open=opened close=closed love=loved like=liked live=lived move=moved dance=danced bake=baked smile=smiled stop=stopped plan=planned drop=dropped clap=clapped hug=hugged study=studied
carry=carried cry=cried try=tried marry=married copy=copied hurry=hurried worry=worried enjoy=enjoyed stay=stayed visit=visited listen=listened watch=watched wash=washed cook=cooked
clean=cleaned jump=jumped paint=painted rain=rained start=started wait=waited want=wanted need=needed answer=answered travel=travelled look=looked learn=learned arrive=arrived""".split())
COMPARED = [pair.split("=") for pair in """big=bigger=biggest small=smaller=smallest tall=taller=tallest old=older=oldest young=younger=youngest fast=faster=fastest slow=slower=slowest
good=better=best bad=worse=worst hot=hotter=hottest cold=colder=coldest happy=happier=happiest easy=easier=easiest busy=busier=busiest nice=nicer=nicest large=larger=largest
thin=thinner=thinnest strong=stronger=strongest weak=weaker=weakest rich=richer=richest poor=poorer=poorest cheap=cheaper=cheapest high=higher=highest low=lower=lowest
long=longer=longest short=shorter=shortest near=nearer=nearest early=earlier=earliest late=later=latest dark=darker=darkest heavy=heavier=heaviest funny=funnier=funniest
pretty=prettier=prettiest wide=wider=widest deep=deeper=deepest clean=cleaner=cleanest""".split()]
FORM_ASK = rows("""
What is the plural of {a}? / Plural of "{a}"? / Give the plural of {a}. / One {a}, two / Write the plural form: {a} / More than one {a} is called / Make {a} plural. / {a} in the plural? / Put {a} into the plural. / The plural form of {a} is || plural
What is the singular of {b}? / Singular of "{b}"? / Give the singular of {b}. / Write the singular form: {b} / One of the {b} is a / Make {b} singular. / {b} in the singular? || singular
What is the past tense of {c}? / Past tense of "{c}"? / Give the past form of {c}. / Today I {c}, yesterday I / Put {c} into the past tense. / Simple past of {c}: / {c} in the past tense? / Past of the verb {c}? / Write the past form: {c} / The past tense of to {c} is || past
What is the base form of {d}? / Infinitive of "{d}"? / Which verb has the past form {d}? / Give the present form of {d}. / {d} is the past tense of || base
What is the comparative of {e}? / Comparative of "{e}"? / Give the comparative form of {e}. / {e}, more than that: / Comparative form: {e} || more
What is the superlative of {e}? / Superlative of "{e}"? / Give the superlative form of {e}. / {e}, most of all: / Superlative form: {e} || most
""")


def word_form(rng, data, held):
    asks, (kind,) = rng.choice(FORM_ASK[:1] * 3 + FORM_ASK[2:3] * 3 + FORM_ASK)
    one, many = rng.choice(list(PLURALS.items()))
    now, past = rng.choice(list(PAST.items()))
    base, more, most = rng.choice(COMPARED)
    answer = {"plural": many, "singular": one, "past": past, "base": now, "more": more, "most": most}[kind]
    text = pick(rng, asks, held)
    for mark, found in (("{a}", one), ("{b}", many), ("{c}", now), ("{d}", past), ("{e}", base)):
        text = text.replace(mark, found)
    return single(first_upper(text), answer)


TASKS, HELD_OUT = split({
    "spelling": (spelling, "f1", True),
    "marks": (marks, "exact", True),
    "change_case": (change_case, "exact", True),
    "replace_word": (replace_word, "exact", True),
    "json_list": (json_list, "json", True),
    "list_edit": (list_edit, "exact", True),
    "extraction": (extraction, "exact", True),
    "shorten": (shorten, "exact", True),
    "word_form": (word_form, "exact", False),
})
