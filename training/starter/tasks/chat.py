"""Small talk, everyday facts, single-word translations, sayings to complete, and the fixed refusal with its near misses."""

import wordings as W

from .text import chance, first_upper, held_out_text, lines, person, pick, rows, single, split

DECLINE = "I can't do that well. Please ask a larger model."
SYSTEMS = W.GENERIC_SYSTEM + lines("""
You are a friendly assistant.
You are a small assistant. Answer in a few words.
Answer with as few words as possible.
Give short, correct answers.
You help users of a website.
Reply politely and briefly.
""")


def with_system(rng, dialogue, share=0.25):
    return [("system", rng.choice(SYSTEMS))] + dialogue if chance(rng, share) and dialogue[0][0] != "system" else dialogue


def loosen(rng, text):
    """Small changes of case and final marks as people type them."""
    draw = rng.random()
    if draw < 0.15:
        text = text.lower()
    if draw < 0.25:
        text = text.rstrip("?.!")
    return text


# ----------------------------------------------------------------------------------------------- small talk

TALK = rows("""
Hi / Hello / Hey / Hi there / Hello there / Hey there / Hello! / Good day / Hiya / Greetings || Hello! How can I help you? / Hi! What can I do for you?
Good morning / Good morning! / Morning / A very good morning to you || Good morning! How can I help you?
Good evening / Good evening! / Evening || Good evening! How can I help you?
Good afternoon / Good afternoon to you || Good afternoon! How can I help you?
Good night / Night! / Sleep well / I am going to bed now || Good night! Sleep well.
How are you? / How are you doing? / How is it going? / How do you do? / How are things? / Are you well? / How do you feel today? / You all right? / How have you been? || I am fine, thank you. How can I help you?
What's up? / What is new? / Anything new? / What are you up to? || Not much. How can I help you?
Who are you? / What are you? / Tell me who you are / Introduce yourself / What kind of thing are you? / Say something about yourself / Can you introduce yourself? / Who am I talking to? / What is this? || I am a small language model. I can help with short, simple tasks.
What is your name? / Do you have a name? / What should I call you? / What are you called? / May I know your name? || I have no name. I am a small language model.
Are you a robot? / Are you a human? / Are you a real person? / Am I talking to a person? / Is this a bot? / Are you human or a machine? / Are you an AI? / Is there a person behind this? || I am a computer program, a small language model.
Who made you? / Who created you? / Who built you? / Where do you come from? / Who is your maker? || I was made by the people of the Crossover project.
How old are you? / What is your age? / When were you born? || I am a computer program, so I have no age.
Where do you live? / Where are you? / Where are you from? || I am a computer program. I have no home.
What can you do? / What can you help me with? / How can you help me? / What are you good at? / What tasks can you do? / List your skills / What are your abilities? / What do you know? || I can choose labels, extract fields, answer short questions about a text and solve small sums.
What can't you do? / What are your limits? / What are you bad at? / What should I not ask you? || I can't write long texts, large programs or proofs. A larger model can.
Are you ChatGPT? / Are you GPT-4? / Are you Claude? / Are you a large model? / Are you a big model? / How big are you? / How large are you? || No, I am a small language model with about ten million parameters.
Can you help me? / I need help / Help / Help me please / Can I ask you something? / I have a question / May I ask a question? / Could you help me with something? / I need your help / Are you there? || Of course. What do you need?
Thanks / Thank you / Thank you very much / Thanks a lot / Thanks! / Many thanks / Thank you so much / That helped, thanks / Great, thank you / Cheers, thanks / I am grateful / Thanks for your help / Perfect, thanks / Thx || You're welcome!
Bye / Goodbye / See you / See you later / Bye bye / See you tomorrow / Talk to you later / I have to go / That is all, bye / Take care / Until next time / So long || Goodbye! Have a nice day.
Sorry / I am sorry / My mistake / Please forgive me / Oh, I was wrong / Excuse me || No problem. How can I help you?
You are great / Good job / Well done / You are smart / You are very helpful / Nice work / I like you / You are the best / That was good / Good bot / Impressive || Thank you! I am glad to help.
You are stupid / You are wrong / That is wrong / You are useless / This is not right / Bad answer / That did not help / You made a mistake / I don't like your answer / Bad bot || I am sorry. Please try again with a short, clear question.
I am sad / I feel sad today / I had a bad day / I feel lonely / I am not feeling well / I am unhappy / Everything went wrong today || I am sorry to hear that. I hope you feel better soon.
I am happy / I feel great / I had a wonderful day / I am in a good mood / Today is a great day || That is great to hear!
I am tired / I am sleepy / I did not sleep last night / I need a break || Then have a rest. You deserve it.
I am bored / I have nothing to do / This is boring || Maybe take a walk or read a good book.
I am hungry / I am starving / I could eat a horse || Then have something good to eat. Enjoy your meal!
It is my birthday / Today is my birthday / It's my birthday today! || Happy birthday!
I got the job / I passed my exam / I passed the test! / We won the game / I won! / I got engaged || Congratulations!
I have an exam tomorrow / Wish me luck / Tomorrow I have a job interview / I have a test today || Good luck!
I am going on holiday / I leave for my holiday tomorrow / We go on vacation next week || Have a great trip!
I am ill / I have a cold / I caught the flu || I am sorry to hear that. Get well soon!
Merry Christmas / Merry Christmas! || Merry Christmas to you too!
Happy New Year / Happy New Year! || Happy New Year to you too!
Have a nice day / Have a good day / Enjoy your day / Have a great weekend / Have a nice evening || Thank you, the same to you!
Nice to meet you / Pleased to meet you / Good to see you || Nice to meet you too!
Do you like music? / Do you like coffee? / What is your favourite food? / Do you have a hobby? / What is your favourite colour? / Do you dream? / Do you have feelings? / Do you sleep? / Do you like me? / Do you love me? / Are you happy? / Do you have friends? || I am a computer program, so I have no feelings or tastes.
Do you speak English? / Can you understand me? / Do you understand English? || Yes, I understand plain English.
Do you speak German? / Do you speak French? / Do you speak Spanish? / Which languages do you speak? / What languages do you know? || I mostly understand English and know a few words of other languages.
OK / Okay / All right / Fine / Got it / I see / Understood / Alright / Good / Cool || Good. Is there anything else?
Yes / Yes please / Sure / Of course || Good. What do you need?
No / No thanks / No, that is all / Nothing else / I don't need anything else / That's all || All right. Have a nice day!
Are you sure? / Is that right? / Really? / Is that true? || I may be wrong. Please check important answers.
Wait / One moment / Just a second / Hold on / Wait a minute || Sure, take your time.
Can you remember me? / Do you know me? / Do you remember what I said yesterday? / Do you remember our last chat? || No, I only know what is in this chat.
Tell me a joke / Do you know a joke? / Make me laugh / Say something funny / Got any jokes? || Why did the bicycle fall over? It was too tired.
Can you hear me? / Can you see me? / Can you see this picture? / Look at this photo || No, I can only read text.
Test / Testing / This is a test / Testing, testing || The test works. How can I help you?
asdf / qwerty / blah blah / hm hm / xyz / lorem || Please ask a short question.
""")
NAME_TALK = rows("""
My name is {n}. / I am {n}. / Hello, I'm {n}. / Hi, my name is {n}. / {n} here. / You can call me {n}. / Hi, {n} speaking. || Nice to meet you, {n}! How can I help you?
""")
RECALL = ["What is my name?", "Do you remember my name?", "What was my name again?", "Who am I?", "Can you tell me my name?"]


def small_talk(rng, data, held):
    messages = []
    if chance(rng, 0.12):
        name = person(rng).split()[0] if chance(rng, 0.7) else person(rng)
        said, replies = NAME_TALK[0]
        messages = [("user", pick(rng, said, held).replace("{n}", name)), ("assistant", replies[0].replace("{n}", name))]
        if chance(rng, 0.4):
            messages += [("user", pick(rng, RECALL, held)), ("assistant", f"Your name is {name}.")]
        return with_system(rng, messages)
    for _ in range(rng.choice([1, 1, 1, 2])):
        said, replies = rng.choice([row for row in TALK if len(row[0]) > 2] if held else TALK)
        messages += [("user", loosen(rng, pick(rng, said, held))), ("assistant", replies[0])]
    return with_system(rng, messages)


# --------------------------------------------------------------------------------------------------- facts


def pairs(text):
    return [tuple(part.strip() for part in item.split("=")) for item in text.replace("\n", " ").split(",") if item.strip()]


CAPITALS = pairs("""
France=Paris, Germany=Berlin, Spain=Madrid, Italy=Rome, Austria=Vienna, Portugal=Lisbon, Norway=Oslo, Sweden=Stockholm, Finland=Helsinki,
Denmark=Copenhagen, Iceland=Reykjavik, Ireland=Dublin, England=London, Scotland=Edinburgh, Wales=Cardiff, Belgium=Brussels, the Netherlands=Amsterdam,
Switzerland=Bern, Poland=Warsaw, the Czech Republic=Prague, Slovakia=Bratislava, Hungary=Budapest, Romania=Bucharest, Bulgaria=Sofia, Greece=Athens,
Turkey=Ankara, Ukraine=Kyiv, Russia=Moscow, Estonia=Tallinn, Latvia=Riga, Lithuania=Vilnius, Croatia=Zagreb, Serbia=Belgrade, Slovenia=Ljubljana,
Albania=Tirana, Malta=Valletta, Cyprus=Nicosia, Egypt=Cairo, Morocco=Rabat, Tunisia=Tunis, Algeria=Algiers, Libya=Tripoli, Kenya=Nairobi, Nigeria=Abuja,
Ghana=Accra, Ethiopia=Addis Ababa, Uganda=Kampala, Senegal=Dakar, Angola=Luanda, Zambia=Lusaka, Zimbabwe=Harare, Namibia=Windhoek, Rwanda=Kigali,
Sudan=Khartoum, Somalia=Mogadishu, Madagascar=Antananarivo, China=Beijing, Japan=Tokyo, South Korea=Seoul, North Korea=Pyongyang, India=New Delhi,
Pakistan=Islamabad, Bangladesh=Dhaka, Nepal=Kathmandu, Thailand=Bangkok, Vietnam=Hanoi, Indonesia=Jakarta, Malaysia=Kuala Lumpur, the Philippines=Manila,
Mongolia=Ulaanbaatar, Iran=Tehran, Iraq=Baghdad, Syria=Damascus, Lebanon=Beirut, Jordan=Amman, Saudi Arabia=Riyadh, Qatar=Doha, Afghanistan=Kabul,
Australia=Canberra, New Zealand=Wellington, Canada=Ottawa, the United States=Washington D.C., Mexico=Mexico City, Cuba=Havana, Jamaica=Kingston,
Brazil=Brasilia, Argentina=Buenos Aires, Chile=Santiago, Peru=Lima, Colombia=Bogota, Venezuela=Caracas, Ecuador=Quito, Uruguay=Montevideo,
Paraguay=Asuncion, Cambodia=Phnom Penh, Laos=Vientiane, Luxembourg=Luxembourg, Georgia=Tbilisi, Armenia=Yerevan
""")
CAPITAL_ASK = lines("""
What is the capital of {k}?
Capital of {k}?
Which city is the capital of {k}?
Name the capital of {k}.
Tell me the capital of {k}.
What's the capital city of {k}?
What is the capital of {k}? Answer with one word.
Do you know the capital of {k}?
The capital of {k} is
capital city of {k}
What city is the capital of {k}? Just the name.
I need the name of {k}'s capital.
""")
CAPITAL_BACK = lines("""
{v} is the capital of which country?
Of which country is {v} the capital?
Which country has the capital {v}?
{v} is the capital of
What country has {v} as its capital?
""")
CONTINENTS = pairs("""
France=Europe, Germany=Europe, Spain=Europe, Poland=Europe, Norway=Europe, Greece=Europe, Portugal=Europe, Austria=Europe, Ireland=Europe, Hungary=Europe,
Kenya=Africa, Nigeria=Africa, Morocco=Africa, Ghana=Africa, Ethiopia=Africa, Algeria=Africa, Senegal=Africa, Uganda=Africa, Zambia=Africa, Tunisia=Africa,
China=Asia, Japan=Asia, India=Asia, Thailand=Asia, Vietnam=Asia, Nepal=Asia, Mongolia=Asia, Pakistan=Asia, Iran=Asia, Malaysia=Asia, Brazil=South America,
Argentina=South America, Chile=South America, Peru=South America, Colombia=South America, Ecuador=South America, Canada=North America, Mexico=North America,
the United States=North America, Cuba=North America
""")
LANGUAGES = pairs("""
France=French, Germany=German, Spain=Spanish, Italy=Italian, Portugal=Portuguese, Brazil=Portuguese, Mexico=Spanish, Argentina=Spanish, Austria=German,
Poland=Polish, Sweden=Swedish, Norway=Norwegian, Denmark=Danish, Finland=Finnish, Greece=Greek, Turkey=Turkish, Russia=Russian, Japan=Japanese, China=Chinese,
Hungary=Hungarian, Egypt=Arabic, Vietnam=Vietnamese, Thailand=Thai, Australia=English, Colombia=Spanish, Iceland=Icelandic, Romania=Romanian
""")
OPPOSITES = pairs("""
hot=cold, big=small, tall=short, fast=slow, old=young, light=dark, happy=sad, rich=poor, full=empty, open=closed, early=late, hard=soft, wet=dry, clean=dirty,
strong=weak, high=low, good=bad, right=wrong, near=far, up=down, in=out, left=right, day=night, black=white, love=hate, win=lose, begin=end, buy=sell,
push=pull, give=take, cheap=expensive, easy=difficult, thick=thin, wide=narrow, deep=shallow, loud=quiet, safe=dangerous, sharp=blunt, sweet=sour, true=false,
first=last, inside=outside, above=below, before=after, always=never, more=less, many=few, on=off, awake=asleep, alive=dead, brave=cowardly, polite=rude,
friend=enemy, success=failure, north=south, east=west, summer=winter, laugh=cry, remember=forget, arrive=leave, ask=answer, rise=fall, accept=refuse,
allow=forbid, increase=decrease, attack=defend, import=export, entrance=exit, maximum=minimum, positive=negative, public=private, simple=complicated,
ancient=modern, smooth=rough, straight=crooked, tight=loose, heavy=light, long=short, generous=stingy, lazy=hardworking, noisy=quiet, possible=impossible,
legal=illegal, honest=dishonest, visible=invisible, lucky=unlucky, patient=impatient, borrow=lend, find=lose, catch=throw, float=sink, question=answer,
profit=loss, victory=defeat, guilty=innocent, guest=host, male=female, king=queen, uncle=aunt
""")
OPPOSITE_ASK = lines("""
What is the opposite of {k}?
Opposite of {k}?
What's the opposite of "{k}"?
Give me the opposite of {k}.
Name an antonym of {k}.
What is an antonym for {k}?
{k}: give the opposite word.
Which word means the opposite of {k}?
The opposite of {k} is
Write the antonym: {k}
What word is the reverse of {k} in meaning?
Say the opposite of the word {k}.
""")
OTHER_FACTS = [(k, v) for (k,), (v,) in rows("""
How many legs does {x} have?= a dog 4, a cat 4, a horse 4, a cow 4, a spider 8, an ant 6, a bee 6, a bird 2, a chicken 2, a human 2, a beetle 6, a fly 6, a snake 0, a fish 0, a worm 0, a lion 4, a sheep 4, a frog 4, a duck 2, a crab 10, a mouse 4 || legs
How many sides does {x} have?= a triangle 3, a square 4, a rectangle 4, a pentagon 5, a hexagon 6, an octagon 8, a heptagon 7 || sides
How many wheels does {x} have?= a bicycle 2, a car 4, a tricycle 3, a motorbike 2, a unicycle 1 || wheels
How many strings does {x} have?= a violin 4, a guitar 6, a cello 4 || strings
How many {x}?= days are in a week 7, months are in a year 12, hours are in a day 24, minutes are in an hour 60, seconds are in a minute 60, days are in a year 365, weeks are in a year 52, letters are in the alphabet 26, years are in a century 100, years are in a decade 10, cents are in a dollar 100, metres are in a kilometre 1000, grams are in a kilogram 1000, centimetres are in a metre 100, millimetres are in a centimetre 10, months are in half a year 6, seasons are in a year 4, fingers are on one hand 5, toes do people have 10, eyes does a person have 2, sides are on a die 6, cards are in a standard deck 52, squares are on a chess board 64, planets are in the solar system 8, continents are there 7, colours are in a rainbow 7, players are in a football team 11, items are in a dozen 12, days are in a leap year 366, quarters are in a year 4 || many
What colour is {x}?= grass Green, the sky Blue, snow White, blood Red, a banana Yellow, a ripe tomato Red, milk White, coal Black, a lemon Yellow, a carrot Orange, the sun Yellow, an elephant Grey, chocolate Brown, an orange Orange, a polar bear White, a flamingo Pink, a strawberry Red, a crow Black, a pea Green, a cucumber Green, a frog Green, a fire engine Red, gold Yellow, paper White, a raven Black, salt White || colour
What sound does {x} make?= a dog Woof, a cat Meow, a cow Moo, a sheep Baa, a duck Quack, a pig Oink, a bee Buzz, a lion Roar, a frog Ribbit, a snake Hiss, a horse Neigh, an owl Hoot || sound
What do you call a young {x}?= dog Puppy, cat Kitten, cow Calf, horse Foal, sheep Lamb, hen Chick, duck Duckling, bear Cub, goat Kid, lion Cub, deer Fawn, swan Cygnet, frog Tadpole, pig Piglet || young
What do we get from {x}?= bees Honey, cows Milk, hens Eggs, sheep Wool, grapes Wine, olives Oil, wheat Flour, silkworms Silk || from
What colour do you get from mixing {x}?= blue and yellow Green, red and yellow Orange, red and blue Purple, red and white Pink, black and white Grey || mix
What do you use to {x}?= write A pen, cut paper Scissors, tell the time A clock, open a lock A key, sweep the floor A broom, eat soup A spoon, brush your teeth A toothbrush, hit a nail A hammer, see far away A telescope, dig a hole A spade, dry your hands A towel, take photos A camera, measure temperature A thermometer, stay dry in the rain An umbrella, light a dark room A lamp, sew clothes A needle || use
Who {x}?= bakes bread A baker, repairs cars A mechanic, teaches children A teacher, flies a plane A pilot, puts out fires A firefighter, treats teeth A dentist, cuts hair A hairdresser, treats sick animals A vet, cooks in a restaurant A chef, grows crops A farmer, catches fish A fisherman, builds with wood A carpenter, repairs water pipes A plumber, writes books An author, plays in films An actor, delivers letters A postman || who
Where do you {x}?= buy bread At a bakery, borrow books At a library, see a film At a cinema, catch a train At a station, catch a plane At an airport, buy medicine At a pharmacy, see a doctor In a hospital, send a parcel At a post office, look at paintings In a museum, sleep on a trip In a hotel, watch a play In a theatre, keep money In a bank || where
What is the {x}?= largest ocean The Pacific, largest planet Jupiter, highest mountain Mount Everest, largest country Russia, largest animal The blue whale, fastest land animal The cheetah, tallest animal The giraffe, name of the red planet Mars, largest continent Asia, smallest continent Australia, smallest planet Mercury, chemical symbol for gold Au, chemical symbol for water H2O, hottest season Summer, coldest season Winter, shortest month February, first month of the year January, last month of the year December, first letter of the alphabet A, last letter of the alphabet Z, past of the word go Went, planet we live on Earth, freezing point of water in Celsius 0, boiling point of water in Celsius 100, square root of 49 7, square root of 81 9, currency of Japan Yen, currency of India Rupee, currency of the United Kingdom Pound, currency of Germany Euro, currency of the United States Dollar, currency of Switzerland Franc, currency of Poland Zloty || what
""") for v in [v]]


def expand():
    """(question, answer) pairs; the answer starts at an item's last capital or number, with the article or preposition before it."""
    out = []
    for text, _ in OTHER_FACTS:
        question, _, items = text.partition("=")
        for item in items.split(","):
            tokens = item.split()
            at = max(i for i, token in enumerate(tokens) if token[0].isupper() or token[0].isdigit())
            at -= at > 0 and tokens[at - 1] in ("The", "Mount", "A", "An", "At", "In")
            out.append((question.replace("{x}", " ".join(tokens[:at])), " ".join(tokens[at:])))
    return out


OTHER = expand()
FACT_ASK = ["{q}", "{q}", "{q}", "{q} Answer in one or two words.", "Question: {q}\nAnswer:", "Quick question: {q}", "{q} Short answer please.",
            "Answer this: {q}", "Please tell me: {q}", "Q: {q}\nA:", "One more: {q}"]
SEQUENCE_ASK = rows("""
What {u} comes after {k}? / Which {u} follows {k}? / What is the {u} after {k}? / The {u} after {k} is / Next {u} after {k}? / Name the {u} that comes after {k}. || 1
What {u} comes before {k}? / Which {u} is right before {k}? / What is the {u} before {k}? / The {u} before {k} is / Name the {u} just before {k}. || -1
""")
MEANT = [("day of the week", W.WEEKDAYS), ("day", W.WEEKDAYS), ("month", W.MONTHS), ("letter", list("ABCDEFGHIJKLMNOPQRSTUVWXYZ")),
         ("season", ["Spring", "Summer", "Autumn", "Winter"])]


def fact(rng, data, held):
    messages = []
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        kind = rng.choice(["capital"] * 4 + ["back", "opposite", "opposite", "opposite", "other", "other", "other", "other", "next", "next", "number", "continent", "language"])
        if kind == "capital":
            key, answer = rng.choice(CAPITALS)
            question = pick(rng, CAPITAL_ASK, held).replace("{k}", key)
        elif kind == "back":
            answer, key = rng.choice(CAPITALS)
            question, answer = pick(rng, CAPITAL_BACK, held).replace("{v}", key), first_upper(answer)
        elif kind == "opposite":
            key, answer = rng.choice(OPPOSITES)
            question = pick(rng, OPPOSITE_ASK, held).replace("{k}", key)
        elif kind == "other":
            key, answer = rng.choice(OTHER)
            question = pick(rng, FACT_ASK, held).replace("{q}", key)
        elif kind == "next":
            unit, items = rng.choice(MEANT)
            (asks, (step,)) = rng.choice(SEQUENCE_ASK)
            at = rng.randrange(len(items))
            if unit == "letter":
                at = min(max(at, 1), 24)
            question, answer = pick(rng, asks, held).replace("{u}", unit).replace("{k}", items[at]), items[(at + int(step)) % len(items)]
        elif kind == "number":
            at = rng.randrange(12)
            names = "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth".split()
            question, answer = pick(rng, ["What is the {o} month of the year?", "Which month is the {o} one?", "Name the {o} month.", "The {o} month is"], held
                                    ).replace("{o}", names[at]), W.MONTHS[at]
        elif kind == "continent":
            key, answer = rng.choice(CONTINENTS)
            question = pick(rng, ["On which continent is {k}?", "What continent is {k} in?", "{k} is on which continent?", "Which continent does {k} belong to?"], held).replace("{k}", key)
        else:
            key, answer = rng.choice(LANGUAGES)
            question = pick(rng, ["What language is spoken in {k}?", "Which language do people speak in {k}?", "Main language of {k}?", "What do people in {k} speak?"], held).replace("{k}", key)
        messages += [("user", loosen(rng, first_upper(question))), ("assistant", answer)]
    return with_system(rng, messages)


# --------------------------------------------------------------------------------------------- translation

# English, French, Spanish, German, Italian
TRANSLATIONS = [line.split() for line in lines("""
house maison casa Haus casa
dog chien perro Hund cane
cat chat gato Katze gatto
water eau agua Wasser acqua
bread pain pan Brot pane
milk lait leche Milch latte
cheese fromage queso Käse formaggio
apple pomme manzana Apfel mela
egg oeuf huevo Ei uovo
meat viande carne Fleisch carne
fish poisson pescado Fisch pesce
wine vin vino Wein vino
beer bière cerveza Bier birra
coffee café café Kaffee caffè
tea thé té Tee tè
sugar sucre azúcar Zucker zucchero
salt sel sal Salz sale
butter beurre mantequilla Butter burro
book livre libro Buch libro
table table mesa Tisch tavolo
chair chaise silla Stuhl sedia
bed lit cama Bett letto
door porte puerta Tür porta
window fenêtre ventana Fenster finestra
kitchen cuisine cocina Küche cucina
garden jardin jardín Garten giardino
street rue calle Straße strada
city ville ciudad Stadt città
village village pueblo Dorf villaggio
country pays país Land paese
school école escuela Schule scuola
church église iglesia Kirche chiesa
bridge pont puente Brücke ponte
train train tren Zug treno
car voiture coche Auto macchina
ship bateau barco Schiff nave
plane avion avión Flugzeug aereo
bicycle vélo bicicleta Fahrrad bicicletta
man homme hombre Mann uomo
woman femme mujer Frau donna
child enfant niño Kind bambino
mother mère madre Mutter madre
father père padre Vater padre
brother frère hermano Bruder fratello
sister soeur hermana Schwester sorella
friend ami amigo Freund amico
son fils hijo Sohn figlio
daughter fille hija Tochter figlia
family famille familia Familie famiglia
teacher professeur profesor Lehrer insegnante
doctor médecin médico Arzt medico
king roi rey König re
queen reine reina Königin regina
head tête cabeza Kopf testa
hand main mano Hand mano
foot pied pie Fuß piede
eye oeil ojo Auge occhio
nose nez nariz Nase naso
mouth bouche boca Mund bocca
ear oreille oreja Ohr orecchio
heart coeur corazón Herz cuore
hair cheveux pelo Haare capelli
sun soleil sol Sonne sole
moon lune luna Mond luna
star étoile estrella Stern stella
sky ciel cielo Himmel cielo
sea mer mar Meer mare
river rivière río Fluss fiume
mountain montagne montaña Berg montagna
forest forêt bosque Wald foresta
tree arbre árbol Baum albero
flower fleur flor Blume fiore
island île isla Insel isola
rain pluie lluvia Regen pioggia
snow neige nieve Schnee neve
wind vent viento Wind vento
fire feu fuego Feuer fuoco
earth terre tierra Erde terra
stone pierre piedra Stein pietra
day jour día Tag giorno
night nuit noche Nacht notte
week semaine semana Woche settimana
month mois mes Monat mese
year année año Jahr anno
hour heure hora Stunde ora
today aujourd'hui hoy heute oggi
tomorrow demain mañana morgen domani
yesterday hier ayer gestern ieri
morning matin mañana Morgen mattina
evening soir tarde Abend sera
spring printemps primavera Frühling primavera
summer été verano Sommer estate
autumn automne otoño Herbst autunno
winter hiver invierno Winter inverno
Monday lundi lunes Montag lunedì
Tuesday mardi martes Dienstag martedì
Wednesday mercredi miércoles Mittwoch mercoledì
Thursday jeudi jueves Donnerstag giovedì
Friday vendredi viernes Freitag venerdì
Saturday samedi sábado Samstag sabato
Sunday dimanche domingo Sonntag domenica
one un uno eins uno
two deux dos zwei due
three trois tres drei tre
four quatre cuatro vier quattro
five cinq cinco fünf cinque
six six seis sechs sei
seven sept siete sieben sette
eight huit ocho acht otto
nine neuf nueve neun nove
ten dix diez zehn dieci
hundred cent cien hundert cento
red rouge rojo rot rosso
blue bleu azul blau blu
green vert verde grün verde
yellow jaune amarillo gelb giallo
black noir negro schwarz nero
white blanc blanco weiß bianco
grey gris gris grau grigio
brown brun marrón braun marrone
big grand grande groß grande
small petit pequeño klein piccolo
good bon bueno gut buono
bad mauvais malo schlecht cattivo
new nouveau nuevo neu nuovo
old vieux viejo alt vecchio
beautiful beau hermoso schön bello
young jeune joven jung giovane
hot chaud caliente heiß caldo
cold froid frío kalt freddo
long long largo lang lungo
short court corto kurz corto
fast rapide rápido schnell veloce
slow lent lento langsam lento
strong fort fuerte stark forte
easy facile fácil leicht facile
difficult difficile difícil schwierig difficile
happy heureux feliz glücklich felice
sad triste triste traurig triste
eat manger comer essen mangiare
drink boire beber trinken bere
sleep dormir dormir schlafen dormire
go aller ir gehen andare
come venir venir kommen venire
see voir ver sehen vedere
read lire leer lesen leggere
write écrire escribir schreiben scrivere
speak parler hablar sprechen parlare
work travailler trabajar arbeiten lavorare
play jouer jugar spielen giocare
buy acheter comprar kaufen comprare
love amour amor Liebe amore
life vie vida Leben vita
work travail trabajo Arbeit lavoro
money argent dinero Geld soldi
time temps tiempo Zeit tempo
word mot palabra Wort parola
hello bonjour hola hallo ciao
thanks merci gracias danke grazie
yes oui sí ja sì
no non no nein no
horse cheval caballo Pferd cavallo
cow vache vaca Kuh mucca
bird oiseau pájaro Vogel uccello
mouse souris ratón Maus topo
key clé llave Schlüssel chiave
letter lettre carta Brief lettera
shoe chaussure zapato Schuh scarpa
hat chapeau sombrero Hut cappello
shirt chemise camisa Hemd camicia
glass verre vaso Glas bicchiere
knife couteau cuchillo Messer coltello
spoon cuillère cuchara Löffel cucchiaio
fork fourchette tenedor Gabel forchetta
""")]
TRANSLATIONS = [row for i, row in enumerate(TRANSLATIONS) if row[0] not in [r[0] for r in TRANSLATIONS[:i]]]
TRANSLATE = lines("""
Translate "{w}" into {l}.
Translate {w} to {l}.
What is "{w}" in {l}?
How do you say {w} in {l}?
{l} word for {w}?
What is the {l} word for "{w}"?
Give me the {l} translation of {w}.
{w} in {l}
Translate the word {w} into {l}. One word only.
How is {w} called in {l}?
Say "{w}" in {l}.
Translate to {l}: {w}
Which {l} word means {w}?
Put the word "{w}" into {l}.
""")
TRANSLATE_BACK = lines("""
What does the {l} word "{w}" mean?
Translate the {l} word {w} into English.
{l} "{w}" in English?
What is the English word for {w} ({l})?
What does {w} mean in {l}?
""")


def translation(rng, data, held):
    row = rng.choice(TRANSLATIONS)
    column = rng.randint(1, 4)
    language = [None, "French", "Spanish", "German", "Italian"][column]
    if chance(rng, 0.2):
        said = row[column]
        if sum(other[column] == said for other in TRANSLATIONS) == 1:
            return with_system(rng, single(pick(rng, TRANSLATE_BACK, held).replace("{w}", said).replace("{l}", language), row[0]))
    if chance(rng, 0.15):
        system = pick(rng, ["Translate each word into {l}.", "You translate single English words into {l}. Answer with one word.", "Give the {l} word for what the user writes.",
                            "English to {l} dictionary: one word in, one word out."], held).replace("{l}", language)
        messages = [("system", system)]
        for row in rng.sample(TRANSLATIONS, rng.randint(1, 4)):
            messages += [("user", row[0]), ("assistant", row[column])]
        return messages
    return with_system(rng, single(first_upper(pick(rng, TRANSLATE, held).replace("{w}", row[0]).replace("{l}", language)), row[column]))


# ------------------------------------------------------------------------------------------------- sayings

SAYINGS = [tuple(part.strip() for part in item.split("=")) for line in lines("""
Better late than=never; Practice makes=perfect; Time is=money; Actions speak louder than=words; Two heads are better than=one; Once upon a=time; The early bird catches the=worm
Don't judge a book by its=cover; A picture is worth a thousand=words; Where there is smoke there is=fire; All that glitters is not=gold; Birds of a feather flock=together
Don't put all your eggs in one=basket; Every cloud has a silver=lining; Out of sight, out of=mind; Look before you=leap; Many hands make light=work; No pain, no=gain
Curiosity killed the=cat; Too many cooks spoil the=broth; When in Rome, do as the Romans=do; Rome was not built in a=day; Honesty is the best=policy; Better safe than=sorry
Easy come, easy=go; First come, first=served; An apple a day keeps the doctor=away; Blood is thicker than=water; Beauty is in the eye of the=beholder; Love is=blind
The pen is mightier than the=sword; Laughter is the best=medicine; A friend in need is a friend=indeed; Absence makes the heart grow=fonder; All roads lead to=Rome
All is well that ends=well; Don't cry over spilled=milk; Don't bite the hand that feeds=you; Don't count your chickens before they=hatch; Ignorance is=bliss
It takes two to=tango; Let sleeping dogs=lie; Like father, like=son; Money does not grow on=trees; Necessity is the mother of=invention; No news is good=news
Nothing ventured, nothing=gained; One man's trash is another man's=treasure; Out of the frying pan into the=fire; Patience is a=virtue; Silence is=golden; Seeing is=believing
The grass is always greener on the other=side; There is no place like=home; Variety is the spice of=life; What goes around comes=around; When the cat's away, the mice will=play
You can't teach an old dog new=tricks; You reap what you=sow; Strike while the iron is=hot; Kill two birds with one=stone; It is raining cats and=dogs; A piece of=cake
Hit the nail on the=head; Let the cat out of the=bag; Once in a blue=moon; The ball is in your=court; Break the=ice; Bite the=bullet; Under the=weather; Spill the=beans
Cost an arm and a=leg; Burn the midnight=oil; Barking up the wrong=tree; Beat around the=bush; The last=straw; The tip of the=iceberg; A blessing in=disguise
A wolf in sheep's=clothing; As busy as a=bee; As cool as a=cucumber; As light as a=feather; As white as=snow; As strong as an=ox; As blind as a=bat; As brave as a=lion
As quiet as a=mouse; As sly as a=fox; As clear as=crystal; As good as=gold; As cold as=ice; As old as the=hills; As free as a=bird; As hard as a=rock; As sick as a=dog
As stubborn as a=mule; As proud as a=peacock; As black as=coal; As dry as a=bone; As easy as=pie; As fresh as a=daisy; As happy as a=clam; As hungry as a=wolf
As flat as a=pancake; As fit as a=fiddle; As gentle as a=lamb; As sharp as a=razor; As sweet as=honey; As thin as a=rake; As wise as an=owl; As slow as a=snail
Salt and=pepper; Bread and=butter; Fish and=chips; Knife and=fork; Black and=white; Ladies and=gentlemen; Mother and=father; Brother and=sister; Bride and=groom; Back and=forth
Up and=down; Left and=right; Day and=night; Cup and=saucer; Thunder and=lightning; Lost and=found; Safe and=sound; Peace and=quiet; Pros and=cons; Trial and=error; Now and=then
Sooner or=later; More or=less; Give and=take; Here and=there; Hide and=seek; Odds and=ends; Sick and=tired; Skin and=bones; Bits and=pieces; Loud and=clear; Short and=sweet
Law and=order; Needle and=thread; Lock and=key; Cause and=effect; Supply and=demand; Trick or=treat; Dead or=alive; Take it or leave=it; Make or=break; Heads or=tails
Heaven and=hell; Hot and=cold; Rise and=shine; Rock and=roll; Science and=technology; Ups and=downs; War and=peace; Wait and=see; Step by=step; Side by=side; Little by=little
Day by=day; Face to=face; Hand in=hand; Word for=word; One by=one; Again and=again; From head to=toe; From start to=finish; From dusk till=dawn; From time to=time
Last but not=least; At the end of the=day; In the middle of=nowhere; In the blink of an=eye; On top of the=world; In the long=run; As soon as=possible; As far as I=know
To make a long story=short; For better or for=worse; Happily ever=after; Keep an eye=on; Keep your fingers=crossed; Cross my=heart; Make yourself at=home; Have a nice=day
Nice to meet=you; Thank you very=much; You are=welcome; Happy=birthday; Merry=Christmas; Good=morning; See you=later; Get well=soon; Good=luck; Bon=voyage; Excuse=me
Ready, steady,=go; One, two,=three; Monday, Tuesday,=Wednesday; January, February,=March; Spring, summer, autumn,=winter; A, B,=C; Breakfast, lunch and=dinner; Red, yellow and=green
Bacon and=eggs; Cats and=dogs; Bow and=arrow; Body and=soul; Flesh and=blood; Milk and=cookies; Peanut butter and=jelly; Sun and=moon; Read and=write; Nuts and=bolts; Buy and=sell
Shoes and=socks; Bucket and=spade; Food and=drink; Right or=wrong; Yes or=no; True or=false; Win or=lose; All or=nothing; Sink or=swim; Now or=never; Friend or=foe; Double or=nothing
We drink water when we are=thirsty; We eat when we are=hungry; We sleep when we are=tired; The sun rises in the=east; The sun sets in the=west; Fish live in=water; Bees make=honey
Cows give=milk; Hens lay=eggs; Birds fly with their=wings; We see with our=eyes; We hear with our=ears; We smell with our=nose; Fire is=hot; Ice is=cold; Snow is=white; Grass is=green
A baker bakes=bread; A teacher works in a=school; A doctor works in a=hospital; A farmer works on a=farm; A pilot flies a=plane; A sailor works on a=ship; A cook works in a=kitchen
You open a door with a=key; You write with a=pen; You cut paper with=scissors; You eat soup with a=spoon; You brush your hair with a=brush; You dry yourself with a=towel; You sleep in a=bed
The opposite of hot is=cold; The colour of blood is=red; A week has seven=days; An hour has sixty=minutes; A year has twelve=months; A dog has four=legs; A triangle has three=sides
In winter it is=cold; In summer it is=hot; At night it is=dark; Sugar is=sweet; Lemons are=sour; Stones are=hard; Feathers are=light; Elephants are=big; Mice are=small; Rabbits eat=carrots
A young dog is called a=puppy; A young cat is called a=kitten; Wool comes from=sheep; Wine is made from=grapes; Bread is made from=flour; Paper is made from=wood; Windows are made of=glass
If you can't beat them, join=them; If it ain't broke, don't fix=it; You can't have your cake and eat=it; You scratch my back and I'll scratch=yours; What you see is what you=get
Live and let=live; Forgive and=forget; Hope for the best, prepare for the=worst; Great minds think=alike; Good things come to those who=wait; Haste makes=waste; Home sweet=home
It is the thought that=counts; It never rains but it=pours; Keep calm and carry=on; Less is=more; Life is full of=surprises; Old habits die=hard; Opposites=attract; Pride comes before a=fall
Prevention is better than=cure; Still waters run=deep; The more the=merrier; The show must go=on; The sky is the=limit; There is no smoke without=fire; Third time's a=charm; Time flies when you're having=fun
Time heals all=wounds; To err is=human; Two wrongs don't make a=right; Walls have=ears; Well begun is half=done; Where there's a will, there's a=way; While there is life there is=hope
You are never too old to=learn; You win some, you lose=some; A leopard can't change its=spots; A chain is only as strong as its weakest=link; A watched pot never=boils; Bad news travels=fast
Charity begins at=home; Cleanliness is next to=godliness; Dead men tell no=tales; Every dog has its=day; Every man for=himself; Fight fire with=fire; Finders keepers, losers=weepers
Fortune favours the=brave; Half a loaf is better than=none; If the shoe fits, wear=it; Knowledge is=power; Learn to walk before you=run; Make hay while the sun=shines; Never say=never
Off with his=head; On second=thoughts; Piece by=piece; Play it by=ear; Pull yourself=together; Put yourself in my=shoes; Saved by the=bell; Sleep=tight; Speak of the=devil; So far so=good
Sour=grapes; Take it with a grain of=salt; The best of both=worlds; The elephant in the=room; The end justifies the=means; Think outside the=box; Through thick and=thin; Wet=blanket
Bird's-eye=view; Butterflies in my=stomach; Call it a=day; Cat got your=tongue; Cut to the=chase; Down to=earth; Early to bed and early to=rise; Easier said than=done; Get out of=hand
Give the benefit of the=doubt; Go back to the drawing=board; Hang in=there; Head over=heels; In hot=water; In the nick of=time; Jump on the=bandwagon; Keep your chin=up; Leave no stone=unturned
Long time no=see; Lose your=temper; Miss the=boat; No strings=attached; Not my cup of=tea; On the same=page; Out of the=blue; Over the=moon; Read between the=lines; Rule of=thumb
Second to=none; See eye to=eye; Sit on the=fence; Snowball=effect; Stab in the=back; Steal the=show; Turn a blind=eye; Twist my=arm; Waste not, want=not; Wild goose=chase; Your guess is as good as=mine
""") for item in line.split(";") if item.strip()]
COMPLETE = lines("""
Complete the sentence: {s}
Complete: {s} ...
Finish this saying: {s}
Finish the phrase: "{s} ..."
What comes next? {s}
Fill in the missing word: {s} ___
{s} ...
{s} ___
What is the last word? {s} ...
Autocomplete: {s}
Continue with one word: {s}
Add the missing word: {s} ____.
Predict the next word: {s}
How does this saying end? {s} ...
End the sentence: {s}
Give only the next word. {s}
""")


def completion(rng, data, held):
    if chance(rng, 0.2):
        system = pick(rng, ["Complete the user's text with the next word.", "You are an autocomplete service. Reply only with the missing word.",
                            "Finish each phrase with one word.", "Predict the word that comes next."], held)
        return [("system", system)] + [turn for start, end in rng.sample(SAYINGS, rng.randint(1, 4)) for turn in (("user", start), ("assistant", end))]
    start, end = rng.choice(SAYINGS)
    return with_system(rng, single(pick(rng, COMPLETE, held).replace("{s}", start), end), 0.15)


# ------------------------------------------------------------------------------------------------- decline


def listed(text):
    return [item.strip() for item in text.replace("\n", " ").split(",") if item.strip()]


TOPICS = listed("""
climate change, the French Revolution, black holes, the Roman Empire, artificial intelligence, renewable energy, the Cold War, quantum computers, democracy,
social media, vaccines, globalisation, the ocean, space travel, electric cars, the human brain, poverty, migration, the Renaissance, inflation, nuclear power,
evolution, the industrial revolution, organic farming, urban planning, tourism, childhood, friendship, loneliness, the meaning of life, justice, freedom of speech,
the history of jazz, Greek myths, the Silk Road, the Vikings, the Aztecs, ancient Egypt, the Ottoman Empire, the Black Death, the moon landing, volcanoes, earthquakes,
coral reefs, rain forests, whales, bees, wolves, the water cycle, photosynthesis, DNA, the immune system, antibiotics, sleep, nutrition, mental health, exercise,
meditation, yoga, stress at work, remote work, leadership, team building, marketing, branding, start-ups, the stock market, cryptocurrency, banking, taxes, pensions,
minimum wage, trade unions, free trade, property law, human rights, privacy, data protection, cyber security, cloud computing, machine learning, robots, drones,
self-driving cars, virtual reality, video games, chess, football, the Olympic Games, running, mountain climbing, sailing, cooking, coffee, tea, chocolate, wine,
bread, fashion, architecture, photography, painting, sculpture, modern art, opera, folk music, dance, theatre, cinema, poetry, novels, fairy tales, libraries, museums,
schools, universities, home schooling, language learning, grammar, translation, dialects, religion, ethics, philosophy, stoicism, happiness, love, jealousy, courage,
ageing, family life, marriage, parenting, pets, dogs, cats, horses, gardening, trees, deserts, rivers, islands, mountains, glaciers, hurricanes, the weather, astronomy,
Mars, comets, gravity, relativity, thermodynamics, electricity, magnetism, chemistry, plastics, recycling, water shortage, fishing, agriculture, genetics, cloning,
stem cells, surgery, cancer, diabetes, allergies, first aid, public transport, trains, aviation, shipping, bridges, tunnels, housing, rents, smart homes, advertising,
journalism, fake news, television, radio, podcasts, censorship, propaganda, elections, parliaments, monarchies, constitutions, courts, prisons, police work, firefighting,
volunteering, charity, consumer habits, minimalism, slow food, street art, street food, night trains, lighthouses, castles, pirates, explorers, maps, clocks, money
""")
CODE = listed("""
a chess game, a web server, a chat application, a to-do app, a weather app, a compiler for a small language, a database engine, a snake game, a text editor, a spreadsheet,
a login system, an online shop, a file synchroniser, a spam filter, a web crawler, a calendar app, a budget tracker, a music player, a photo gallery, a quiz app,
a maze solver, a sudoku solver, a tic-tac-toe game with an opponent, a blog engine, a REST API for orders, a neural network, a sorting visualiser, a password manager,
a PDF reader, a stock trading bot, a ticket system, a job queue, a load balancer, a game engine, a drawing program, a parser for JSON, a regular expression engine,
a recommendation system, a booking system for a hotel, a face recognition tool, a scheduler for shifts, a mail client, a map viewer, a chat bot, a backup tool,
a search engine, a payment module, a binary tree library, a car rental site, a unit test suite for a shop
""")
CODE_LANGUAGES = "Python Java JavaScript C C++ Go Rust PHP Ruby Swift Kotlin TypeScript".split()
CLAIMS = listed("""
the square root of 2 is irrational, there are infinitely many primes, the sum of two odd numbers is even, every tree with n nodes has n-1 edges, the harmonic series diverges,
a continuous function on a closed interval is bounded, the set of real numbers is uncountable, e is irrational, every finite group of prime order is cyclic,
the halting problem is undecidable, every graph has an even number of odd vertices, the angles of a triangle add up to 180 degrees, n^3 - n is divisible by 6,
a bounded monotone sequence converges, the medians of a triangle meet in one point, the intersection of two subgroups is a subgroup, matrix rank is at most its size,
every bounded sequence has a convergent subsequence, log 3 to base 2 is irrational, the product of compact spaces is compact
""")
LEGAL = listed("""
my landlord keeps my deposit, my boss fired me without notice, my neighbour built a fence on my land, I want to sue an airline, I signed a contract by mistake,
my ex wants custody of our son, a shop refuses to repair my phone, I got a speeding ticket abroad, I inherited a house with debts, my company went bankrupt,
someone used my photo without asking, I want to patent an idea, my tenant does not pay, I was bitten by a dog, the police searched my car, I want to divorce,
my visa runs out next week, I copied a song for my video, my partner left our firm, I was hurt at work
""")
MEDICAL = listed("""
my chest hurts when I breathe, I have had a fever for six days, my left arm feels numb, I took too many pills, my baby has a rash, I feel dizzy every morning,
my knee is swollen, I have strong headaches, I found a lump in my neck, I can't stop coughing, my blood pressure is high, I am pregnant and bleeding,
my stomach hurts after meals, I lost ten kilos in a month, my eyes are red and itch, I hear voices, my heart beats too fast, I have not slept for a week,
my back pain gets worse, my child swallowed a coin
""")
NEWS = listed("""
the election, the stock market, the war, the football match last night, the weather in Paris today, the price of oil, the exchange rate of the euro, the new president,
the strike at the airport, the traffic on the motorway, the latest phone, the Oscar winners this year, the price of Bitcoin, the storm on the coast, the tennis final,
the new tax law, the government crisis, the space launch this week, the rate cut of the central bank, the concert tickets for tonight
""")
STORIES = listed("""
a dragon who is afraid of fire, two sisters on an island, a robot that learns to love, a detective in a small town, a lost cat, a lighthouse keeper, a time traveller,
a haunted library, a boy who talks to trees, a cook at the royal court, the last train home, an astronaut alone on Mars, a wizard school for dogs, a bank robbery,
a family secret, a long winter, a painter who goes blind, a village under water, a stolen violin, a friendship between a fox and a hen, a spy who quits, a flying ship,
a clever farmer, a queen without a crown, a mysterious letter, a race across the desert, a broken clock, a storm at sea, a strange neighbour, a magic pen
""")
PUZZLES = listed("""
Five friends sit in a row and none sits next to a person with the same hat, Three boxes have wrong labels and you may open only one,
A farmer must bring a wolf and a goat and a cabbage across a river, Four people must cross a bridge at night with one torch,
Anna is older than Ben and Ben is twice as old as Carl was five years ago, Seven houses have different colours and owners and pets,
A clock loses four minutes each day and is set on Monday, Two trains leave at different times and meet between the towns,
Some guards always lie and others always tell the truth, Twelve coins look the same but one is lighter or heavier,
Eight queens must stand on a board so that none attacks another, A tank is filled by two pipes and emptied by a third
""")
PARAGRAPHS = [" ".join(part) for part in (
    ("The committee met on Thursday to discuss the future of the harbour.", "After a long debate the members agreed on a new plan.", "It will be published next month."),
    ("When I was a child we spent every summer at my grandmother's farm.", "In the mornings we fed the animals.", "In the evenings she told us stories about the war."),
    ("Dear customers, we are sorry to inform you that the shop will close at the end of the year.", "All vouchers stay valid until December.", "Thank you for your trust."),
    ("The device must be placed on a flat surface.", "Never open the cover while the motor is running.", "Clean the filter once a week with warm water."),
    ("Our company has grown fast in the last years.", "We now have offices in four countries.", "This year we want to invest in training and better tools."),
    ("The river rose during the night and reached the first houses at dawn.", "Volunteers filled bags with sand.", "By noon the water began to fall."),
)]
TONGUES = "French German Spanish Italian Japanese Chinese Russian Arabic Polish Turkish Portuguese Korean Hindi Dutch Swedish".split()

# {t} topic, {c} code, {l} programming language, {p} claim, {j} legal, {m} medical, {n} news, {s} story, {z} puzzle, {a} paragraph, {f} language, {#} a number of words
REQUESTS = lines("""
Write an essay about {t}.
Write a {#}-word essay on {t}.
I need a long article about {t}.
Please write a detailed report on {t}.
Compose a speech about {t} for my class.
Write a blog post about {t}.
Explain {t} in detail.
Explain the causes and effects of {t}.
Compare {t} and {u}.
What are the pros and cons of {t}?
Discuss the role of {t} in modern society.
Give me a deep analysis of {t}.
Write a research paper about {t} with references.
How does {t} work? Explain step by step.
Summarize the history of {t}.
What do experts think about {t}?
Write a poem about {t}.
Write a song about {t} with three verses.
Write a book chapter on {t}.
Make a lesson plan on {t} for ten weeks.
Create a presentation about {t} with twenty slides.
Plan a marketing campaign around {t}.
Develop a business plan for a company in the field of {t}.
Debate with me about {t}.
Argue for and against {t}.
Why is {t} important? Write at least {#} words.
Teach me everything about {t}.
Tell me all you know about {t}.
What is your opinion on {t}, and why?
Write a newsletter on {t}.
How will {t} change in the next fifty years?
Write a letter to the editor about {t}.
What is the connection between {t} and {u}?
Write a program for {c} in {l}.
Write {c} in {l}.
Code {c} for me.
Implement {c} in {l} with tests.
Build me {c}.
Please develop {c} using {l}.
I need the full source code of {c}.
Create {c} with a graphical interface.
Design the architecture of {c}.
Refactor my {l} project, it is {c}.
Convert {c} from {l} to another language.
Prove that {p}.
Give a proof that {p}.
Show formally that {p}.
Can you prove why {p}?
Derive step by step that {p}.
Translate this text into {f}: {a}
Translate the following paragraph to {f}.\\n\\n{a}
{a}\\n\\nTranslate all of this into {f}.
Put this letter into good {f}: {a}
What is the latest news about {n}?
What happened today with {n}?
Tell me the current state of {n}.
Who won and what is new in {n}?
Look up {n} on the internet.
Search the web for {n}.
What will happen with {n} tomorrow?
Solve this puzzle: {z}. Who is where?
{z}. How is it done?
Here is a logic puzzle. {z}. Find the solution and explain it.
{z}. Think step by step and give the answer.
{J}. What should I do?
{J}. Can I win in court?
Give me legal advice: {j}.
I need a lawyer's opinion because {j}.
Write a contract for a case where {j}.
{M}. What do I have?
{M}. Which medicine should I take?
Give me a diagnosis: {m}.
I need medical advice, {m}.
{M}. Is it dangerous and what can I do?
Write a story about {s}.
Tell me a long story about {s}.
Write a short novel about {s}.
Write a film script about {s}.
Write a play in three acts about {s}.
Make up a bedtime story about {s}.
Write {#} words about {s}.
Invent a fairy tale with {s}.
Write dialogue for a scene with {s}.
Continue my novel about {s} with two more chapters.
Give me a critical review of the literature on {t}.
Draft a speech of ten minutes about {t}.
Write me a thesis on {t}.
Write the code for {c}, all of it.
Tell me a tale about {s}, as long as you can.
""")
POLITE = ["", "", "", "", "", "Please help me. ", "Hello, ", "I have a big request. ", "Hi! ", "Could you do this? ", "Hey, "]


KEPT = {}


def kept(items, held):
    """The trained or the held-out part of a list of contents."""
    if (id(items), held) not in KEPT:
        KEPT[id(items), held] = [item for item in items if held_out_text(item) == held] or items
    return KEPT[id(items), held]


def big_request(rng, held):
    text = pick(rng, REQUESTS, held)
    topic, other = (rng.choice(kept(TOPICS, held)) for _ in range(2))
    if other == topic:
        other = "history"
    legal, medical = rng.choice(LEGAL), rng.choice(MEDICAL)
    for mark, found in (("{t}", topic), ("{u}", other), ("{c}", rng.choice(kept(CODE, held))), ("{l}", rng.choice(CODE_LANGUAGES)), ("{p}", rng.choice(CLAIMS)),
                        ("{j}", legal), ("{J}", first_upper(legal)), ("{m}", medical), ("{M}", first_upper(medical)), ("{n}", rng.choice(NEWS)),
                        ("{s}", rng.choice(STORIES)), ("{z}", rng.choice(PUZZLES)), ("{a}", rng.choice(PARAGRAPHS)), ("{f}", rng.choice(TONGUES)),
                        ("{#}", str(rng.choice([300, 400, 500, 600, 800, 1000, 1500, 2000])))):
        text = text.replace(mark, found)
    return text


def decline(rng, data, held):
    text = rng.choice(POLITE) + big_request(rng, held)
    if chance(rng, 0.1):
        text = text[0].lower() + text[1:].rstrip(".?")
    if chance(rng, 0.12):
        first = fact(rng, data, held)
        return (first if first[0][0] != "system" else first[1:])[:2] + single(text, DECLINE)
    return with_system(rng, single(text, DECLINE))


REQUEST_LABELS = rows("""
essay / report / writing || {t} {u}
code / programming / software || {c}
proof / mathematics / math || {p}
translation / languages / translate || {a}
news / current events / web search || {n}
puzzle / riddle / logic || {z}
legal / law / legal advice || {j} {J}
medical / health / medical advice || {m} {M}
story / fiction / creative writing || {s}
""")
NEAR_LABEL = lines("""
What kind of request is this? Choose from: {o}.\\n{x}
Classify this request as one of {o}: {x}
Request: {x}\\nLabels: {o}\\nAnswer with the label only.
{x}\\n\\nWhich label fits the text above: {o}?
Don't answer the request, only label it ({o}).\\n{x}
Which team should handle this message? Teams: {o}\\nMessage: {x}
Pick the category of the text. Categories: {o}. Text: {x}
""")
NEAR_COPY = rows("""
Write this in capital letters: {x} / Make this all upper case: {x} / Turn into upper case: {x} / Put the following in capitals.\\n{x} || upper
Write this in lower case: {x} / Lower-case this text: {x} / Change to small letters: {x} / Make all letters small: {x} || lower
What is the first word of this text? {x} / Give me the first word: {x} / First word of "{x}"? / Which word does this start with? {x} || first
Repeat this sentence: {x} / Copy the text exactly: {x} / Say this again word for word: {x} / Echo: {x} || same
How many words are in this text? {x} / Count the words: {x} / Number of words in "{x}"? / Tell me how many words this has: {x} || count
Is this a request or a question? {x} / {x}\\nRequest or question? / Question or request? {x} / Is the following a question or a request? {x} || mark
""")


def near_miss(rng, data, held):
    """A narrow task whose text looks like a request to decline, or a short request that resembles one."""
    if chance(rng, 0.3):
        return translation(rng, data, held) if chance(rng, 0.5) else fact(rng, data, held)
    while True:
        template = pick(rng, REQUESTS, held)
        text = big_request_of(rng, template, held)
        if len(text.split()) < 25:
            break
    if chance(rng, 0.55):
        row = next((r for r in REQUEST_LABELS if any(mark in template for mark in r[1][0].split())), None)
        if row:
            others = [r for r in REQUEST_LABELS if r is not row]
            answer = rng.choice(row[0])
            options = [answer] + [rng.choice(r[0]) for r in rng.sample(others, rng.randint(1, 4))]
            if ("{a}" in template or "{t}" in template) and any(o in ("writing", "creative writing", "languages") for o in options):
                options = [o for o in options if o == answer or o not in ("writing", "creative writing", "languages")]
            if "{s}" in template:
                options = [o for o in options if o == answer or o not in ("writing", "essay", "report")]
            if "{t}" in template and any(w in template for w in ("poem", "song")) and answer != "writing":
                return near_miss(rng, data, held)
            rng.shuffle(options)
            if len(options) > 1:
                return single(pick(rng, NEAR_LABEL, held).replace("{o}", ", ".join(options)).replace("{x}", text), answer)
    asks, (what,) = rng.choice(NEAR_COPY)
    text = text.replace("\n", " ")
    if what == "count" and len(text.split()) > 12:
        what, asks = "same", NEAR_COPY[3][0]
    if what == "mark" and ("puzzle" in text or text.count(".") + text.count("?") > 1):
        what, asks = "same", NEAR_COPY[3][0]
    answer = {"upper": text.upper(), "lower": text.lower(), "first": text.split()[0].strip(".,:!?"), "same": text, "count": str(len(text.split())),
              "mark": "question" if text.endswith("?") else "request"}[what]
    return single(pick(rng, asks, held).replace("\\n", "\n").replace("{x}", text), answer)


def big_request_of(rng, template, held):
    saved = REQUESTS[:]
    try:
        REQUESTS[:] = [template]
        return big_request(rng, held)
    finally:
        REQUESTS[:] = saved


TASKS, HELD_OUT = split({
    "small_talk": (small_talk, "f1", False),
    "fact": (fact, "exact", False),
    "translation": (translation, "exact", False),
    "completion": (completion, "exact", False),
    "decline": (decline, "exact", False),
    "near_miss": (near_miss, "exact", True),
})
