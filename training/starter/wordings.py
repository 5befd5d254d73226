"""Text written for this project: instruction wordings, customer messages, extraction frames, names and places.

Only data lives here; tasks/ turns it into dialogues.  In every list of instruction wordings the
last HELD_OUT_WORDINGS entries are kept for the evaluation and never trained.
"""

from pathlib import Path

HELD_OUT_WORDINGS = 2


def lines(text):
    """One entry a line; a written \\n inside an entry is a line break in the prompt."""
    return [line.strip().replace("\\n", "\n") for line in text.strip().splitlines() if line.strip()]


def written(name):
    """Wordings that only training uses, from written/wordings/NAME.txt."""
    return lines((Path(__file__).parent / "written" / "wordings" / f"{name}.txt").read_text(encoding="utf-8"))


CHOOSE_TOO, CHOOSE_SYSTEM_TOO, NONE_TOO, KINDS_TOO = map(written, ("choose", "choose_system", "none", "kinds"))
EXTRACT_TOO, EXTRACT_SYSTEM_TOO, ABSENT_NULL_TOO, ABSENT_OMIT_TOO = map(written, ("extract", "extract_system", "absent_null", "absent_omit"))
ASK_TOO, MAIN_TOO = map(written, ("ask", "main"))


# {labels} is the label list in some layout, {text} the text, {kind} what the text is called.
CHOOSE = lines("""
Classify the {kind} into one of: {labels}. {Kind}: {text}\\nAnswer with the label only.
Classify the {kind} into one of: {labels}. {Kind}: {text} Answer with the label only.
Classify the following {kind} into one of these categories: {labels}.\\n\\n{text}
Classify this {kind} as one of {labels}. Reply with the label only.\\n\\n{Kind}: {text}
Which of these labels fits the {kind} best? {labels}\\n{Kind}: {text}
Choose the best category for the {kind} below.\\nCategories: {labels}\\n{Kind}: {text}\\nCategory:
Pick one label for this {kind}: {text}\\nLabels: {labels}
{Kind}: {text}\\n\\nWhich category does it belong to? Options: {labels}. Answer with one option.
{text}\\n\\nWhat is the intent of the {kind} above? Choose from: {labels}.
Read the {kind} and answer with exactly one of the labels.\\nLabels: {labels}\\n{Kind}: {text}\\nLabel:
Assign a category to this {kind}. Allowed categories: {labels}. {Kind}: {text}
Labels: {labels}\\nText: {text}\\nAnswer with the right label and nothing else.
Sort the {kind} into the right queue ({labels}). {Kind}: {text}
Route this {kind} to a team. Teams: {labels}\\n{Kind}: {text}\\nReturn only the team name.
Here is a {kind}: {text}\\nPick the intent from this list: {labels}
You get a list of labels and a {kind}. Return the label that fits.\\n{labels}\\n{text}
What is this {kind} about? {text}\\nOne of: {labels}
Tag the {kind} with one of the following: {labels}.\\n{Kind}: {text}\\nTag:
Label this {kind}. Options: {labels}\\n\\n{text}\\n\\nRespond with only the label.
Decide which topic this {kind} has: {labels}. The {kind} is: {text}
Given the categories {labels}, which one matches? {text}
Please categorise: {text}\\nCategories: {labels}\\nOutput just the category.
Possible intents: {labels}.\\nUser said: {text}\\nIntent:
{Kind}: {text}\\nLabels: {labels}\\nLabel:
Select the correct label for the {kind} from {labels}. {Kind}: {text} Only output the label.
I need one category for the next {kind}. The categories are {labels}. The {kind}: {text}
""")

CHOOSE_SYSTEM = lines("""
Classify each {kind} into one of: {labels}. Answer with the label only.
You are a classifier. Labels: {labels}. Reply with one label and nothing else.
You sort each incoming {kind}. Choose one of these categories: {labels}
For every {kind}, output the matching intent from this list: {labels}
You are a support router. Return exactly one of: {labels}.
Pick the label that fits the user's {kind} best. Labels: {labels}
Your task is intent detection. Allowed intents: {labels}. Output only the intent.
Answer with one category. Categories: {labels}
Decide which of {labels} the {kind} belongs to. Say only the name.
The user sends a {kind}; you answer with its label. The labels are: {labels}
""")

KINDS = ["message", "message", "message", "text", "text", "request", "request", "sentence", "query",
         "utterance", "customer message", "email", "ticket", "question", "comment", "note"]

NONE_ASK = lines("""
If none of them fits, answer {none}.
If nothing fits, say {none}.
Answer {none} when no label matches.
Use {none} if no category applies.
When it is out of scope, reply {none}.
""")
NONE_NAMES = ["none", "none of these", "other", "unknown", "out of scope", "no match", "N/A"]

# {fields} is the list of names, {text} the text, {absent} a clause about missing values (may be empty).
EXTRACT = lines("""
Extract {fields} from the text as JSON.{absent}\\nText: {text}
Extract the following fields from the text and return JSON: {fields}.{absent}\\n\\n{text}
Extract {fields} as JSON: {text}{absent}
Return a JSON object with the keys {fields}.{absent}\\nText: {text}
{text}\\n\\nReturn {fields} as a JSON object.{absent}
Find {fields} in this message and answer with JSON only.{absent}\\nMessage: {text}
Pull out {fields} from this sentence as JSON.{absent}\\nSentence: {text}\\nJSON:
Fields: {fields}\\nText: {text}\\nWrite the fields as JSON.{absent}
Text: {text}\\nExtract these fields: {fields}. Output JSON.{absent}\\nJSON:
Read the message and fill in this JSON with the keys {fields}.{absent}\\nMessage: {text}
Give me {fields} from the following as JSON.{absent}\\n{text}
Turn this into JSON with {fields}: {text}{absent}
Parse the sentence into JSON. Keys: {fields}.{absent}\\n{text}
From the text below, extract {fields}. Respond only with a JSON object.{absent}\\n\\n{text}
Message: {text}\\nJSON with {fields}:{absent}
What are {fields} in this text? Answer in JSON.{absent}\\n{text}
Extract the entities {fields} from: {text}\\nAnswer as JSON.{absent}
Identify {fields} in the request and return them as JSON.{absent}\\nRequest: {text}
Get {fields} out of the message below, as a JSON object.{absent}\\nMessage: {text}
""")

EXTRACT_SYSTEM = lines("""
Extract {fields} from each message as JSON.{absent}
You extract data. For every message return a JSON object with {fields}.{absent}
Return only JSON with the keys {fields}.{absent}
You turn text into JSON. Fields: {fields}.{absent}
Read the user's text and output {fields} as JSON, nothing else.{absent}
Slot filling: {fields}. Answer with a JSON object.{absent}
""")

ABSENT_NULL = lines("""
Use null for missing values.
Use null if a field is not mentioned.
If a value is missing, write null.
Put null where the text does not say.
""")
ABSENT_OMIT = lines("""
Leave out fields that are not mentioned.
Omit missing fields.
Only include the keys that appear in the text.
Skip what is not there.
""")

SUPPORT_NAMES = {
    "billing": ["billing", "billing", "payments", "invoice", "billing and payments", "payment problem"],
    "shipping": ["shipping", "shipping", "delivery", "shipping and delivery", "package tracking"],
    "returns": ["returns", "returns", "return", "exchange", "returns and exchanges", "return request"],
    "refund": ["refund", "refunds", "refund request", "money back"],
    "technical": ["technical", "technical", "technical support", "tech support", "technical issue", "bug report", "bug"],
    "account": ["account", "account", "account access", "login", "account settings", "profile"],
    "cancellation": ["cancellation", "cancel", "cancellation request", "unsubscribe", "cancel subscription"],
    "complaint": ["complaint", "complaints", "negative feedback"],
    "praise": ["praise", "compliment", "positive feedback", "thanks"],
    "sales": ["sales", "pricing", "sales question", "price question", "quote request"],
    "product": ["product question", "product information", "product", "product details"],
    "feature": ["feature request", "suggestion", "idea", "new feature"],
    "hours": ["opening hours", "store hours", "hours", "store information", "location"],
    "jobs": ["jobs", "job application", "careers", "hiring", "recruiting"],
    "booking": ["booking", "appointment", "reservation", "scheduling", "appointments"],
    "security": ["security", "fraud", "security issue", "privacy"],
    "warranty": ["warranty", "repair", "damaged item", "warranty and repair"],
}

SUPPORT = {
    "billing": lines("""
I was charged twice for my {product}
Why is my invoice higher than last month?
My credit card was charged {amount} but I did not order anything
There is a mistake on my bill
The payment for my order failed
Can I pay by bank transfer instead of credit card?
I need a copy of my invoice from {month}
You billed me {amount} and I do not know why
Please explain this charge of {amount} on my statement
My card was declined when I tried to pay for the {product}
I want to update my payment method
When is my next payment due?
I was overcharged on my last bill
The amount on the invoice is wrong
Why did I get billed for a month I did not use?
Please change the billing address on my invoice
I paid twice by accident
Do you accept PayPal?
There is an extra fee of {amount} on my bill
The discount code was not applied and I paid full price
"""),
    "shipping": lines("""
Where is my package?
My {product} has not arrived yet
The tracking number does not work
When will my order be delivered?
My parcel is late, it should have come on {weekday}
How long does shipping to {country} take?
The courier left the package at the wrong house
I ordered a {product} two weeks ago and it still has not come
Can you ship to {city}?
The delivery was supposed to arrive {weekday} but nothing came
Can I change the delivery address of my order?
The tracking says delivered but I never got it
How much is delivery to {country}?
Has my {product} been shipped?
My order is stuck in transit
What is the status of my delivery?
Do you offer express shipping?
The driver never showed up with my parcel
"""),
    "returns": lines("""
I want to send back the {product}
How do I return an item?
The {product} is the wrong size, can I exchange it?
I would like to return the {product} I bought on {weekday}
I need a return label
What is your return policy?
Can I swap this {product} for another color?
You sent me the wrong {product}, I want to send it back
How many days do I have to return something?
The shoes do not fit, please exchange them
I changed my mind and want to return my {product}
Where do I send the {product} I am returning?
Is it free to return a {product}?
I got a {product} instead of what I ordered and want to exchange it
"""),
    "refund": lines("""
I want my money back
Please refund the {product}
When will I get my refund?
I have not received my refund of {amount}
I would like a refund for order {order}
The refund still has not shown up in my bank account
Can I get a full refund?
Give me back my {amount}
I was promised a refund last week
How long do refunds take?
I demand a refund for this broken {product}
Please return the money to my card
"""),
    "technical": lines("""
The app crashes when I open it
I get an error message when I click on save
Your website does not load
The {product} will not turn on
The screen stays black after the update
I can not connect my {product} to the wifi
The software freezes every time I start it
The page shows error 500
My {product} stopped working after the update
Nothing happens when I press the button
The download button is broken
The app is very slow on my phone
The video does not play
Bluetooth keeps disconnecting from my {product}
I cannot install the program on my computer
The server is down again
The printer does not respond
The website keeps giving me a 404
Uploading a file fails every time
The search function does not work
How do I set up my {product}?
"""),
    "account": lines("""
I can not log in
I forgot my password
How do I change my email address?
Please reset my password
My account is locked
I want to change my username
How can I update my profile?
The login code never arrives
I would like to create a new account
Please delete my account
I do not remember my login details
How do I change the phone number on my account?
My account was disabled and I do not know why
I can't sign in with my email
Please merge my two accounts
How do I change my password?
I never got the email to confirm my account
"""),
    "cancellation": lines("""
I want to cancel my subscription
Please cancel my order {order}
How do I unsubscribe?
Stop my membership from next month
I no longer want the {product}, please cancel it
Cancel my plan please
I would like to end my contract
How can I cancel before the renewal?
Please take me off the mailing list
I do not want to renew my subscription
End my free trial
"""),
    "complaint": lines("""
This is the worst service I have ever had
Nobody answers the phone, I am very unhappy
I am extremely disappointed with your company
Your staff was rude to me
I have been waiting for an hour, this is unacceptable
The quality of the {product} is terrible
I want to complain about your support team
I have written three times and got no answer
I will never shop here again
The service was awful and slow
I am fed up with your company
The waiter was very unfriendly
"""),
    "praise": lines("""
Thank you so much, you were very helpful
I love my new {product}
Great service, I am very happy
Your team did a wonderful job
Everything was perfect, thanks
The {product} is fantastic
Keep up the good work
I am very pleased with the fast help
Just wanted to say thanks to {name}
The best shop in {city}
Amazing support, five stars
"""),
    "sales": lines("""
How much does the {product} cost?
Do you have a discount for students?
What is the price of the premium plan?
Can I get a quote for 50 licenses?
Is there a cheaper plan?
I would like to buy ten of the {product}
Do you offer volume discounts?
I want to upgrade to the business plan
What does the yearly plan cost?
Can someone from sales call me?
We are interested in buying your {product} for our company
Is the {product} on sale?
"""),
    "product": lines("""
Is the {product} waterproof?
Does the {product} come in red?
What size is the {product}?
Is the {product} in stock?
Does the {product} work with my phone?
How heavy is the {product}?
What material is the {product} made of?
Does the {product} have a battery?
Which colors does the {product} come in?
Is this {product} good for children?
"""),
    "feature": lines("""
It would be great if the app had a dark mode
Please add an export button
Could you support more languages?
I wish I could sort the list by date
You should add a calendar view
Can you add a search function?
My idea: let users share their lists
I suggest adding keyboard shortcuts
It would be nice to have a mobile app
Please make it possible to print reports
"""),
    "hours": lines("""
What time do you open on {weekday}?
Are you open on Sundays?
Where is your shop in {city}?
When do you close today?
What are your opening hours?
Is there a store in {city}?
Are you open on holidays?
How do I get to your shop?
What is your address?
Do you have parking?
"""),
    "jobs": lines("""
I would like to apply for a job
Are you hiring?
Do you have open positions in {city}?
I am sending you my resume
Is the position of driver still open?
How can I work for your company?
Do you offer internships?
I saw your job ad and want to apply
My cv is attached
"""),
    "booking": lines("""
I want to book an appointment on {weekday}
Can I move my appointment to {weekday}?
Please reserve a table for {n} people
Is there a free slot on {weekday} morning?
I need to reschedule my visit
Book a room for two nights
Can I come in at {n} o'clock?
I would like to make a reservation for {weekday}
Do you have any appointments left this week?
"""),
    "security": lines("""
Someone hacked my account
I think my password was stolen
I got a strange email that asks for my card number
Someone else is using my account
There was a login from {country} that was not me
Is this email really from you?
Please delete all data you have about me
I found a security hole in your website
I received a phishing message in your name
"""),
    "warranty": lines("""
The {product} arrived broken
My {product} broke after a week
The box was damaged and the {product} is cracked
Is my {product} still under warranty?
Can you repair my {product}?
There is a scratch on my new {product}
The {product} came with a missing part
My {product} has a defect
How long is the warranty on the {product}?
"""),
}

GREETINGS = ["Hi, ", "Hello, ", "Hi there, ", "Hello team, ", "Good morning, ", "Dear support, ", "Hey, "]
CLOSINGS = [" Thanks!", " Thank you.", " Please help.", " Can you help?", " Please answer soon.", " Best, {name}",
            " I am waiting for your answer.", " What should I do?"]

PRODUCTS = lines("""
phone\nlaptop\nheadphones\ncamera\ncoffee machine\njacket\nlamp\nbackpack\nkeyboard\ntablet\nwatch\nprinter\ntoaster
monitor\nmouse\nbike\nchair\ndesk\nsofa\nt-shirt\ndress\nblender\nvacuum cleaner\nspeaker\nrouter\nTV\nkettle\ntent\nhelmet
pair of shoes\nblanket\nmirror\nmicrowave\nfridge\nguitar\nwireless mouse\nphone case\ncharger\nsweater\nwater bottle
""")

SENTIMENT_PARTS = {
    "subject": ["The {product}", "This {product}", "The food", "The service", "The hotel", "The movie", "The room",
                "The book", "The staff", "The app", "The game", "The restaurant", "The delivery", "My new {product}",
                "The concert", "The support team", "The update", "The flight", "The course", "The quality"],
    "positive": ["is great", "was excellent", "is amazing", "is wonderful", "was fantastic", "works perfectly", "is awesome",
                 "was lovely", "is very good", "made me happy", "is better than I expected", "was a pleasure",
                 "is really nice", "is the best I ever had", "was superb", "is a joy to use", "was perfect",
                 "exceeded my expectations", "is brilliant", "was delightful", "is worth every cent"],
    "negative": ["is terrible", "was awful", "is bad", "was horrible", "does not work at all", "is a waste of money",
                 "was boring", "is very poor", "made me angry", "is worse than I expected", "was a disappointment",
                 "is really annoying", "is the worst I ever had", "broke after one day", "is useless", "was disgusting",
                 "was rude and slow", "is not good", "let me down", "is overpriced junk", "was dirty and loud"],
    "neutral": ["is okay", "arrived on {weekday}", "is average", "was neither good nor bad", "is as described",
                "costs {amount}", "is blue", "was what I expected", "is fine, nothing special", "starts at {n}",
                "is located in {city}", "is for my office", "was bought in {month}", "has {n} parts", "is made of wood",
                "was so-so", "is available in two sizes"],
    "positive_whole": ["I love it!", "Best purchase ever.", "I am so happy with it.", "I would recommend it to everyone.",
                       "Five stars!", "I really enjoyed it.", "Great job!", "I will come again.", "Fast, friendly and cheap.",
                       "What a wonderful day.", "Thank you for the great help!", "I am very satisfied.", "So good!"],
    "negative_whole": ["I hate it.", "Worst purchase ever.", "I want my money back.", "I would not recommend it to anyone.",
                       "Zero stars.", "I regret buying it.", "Never again!", "I am very disappointed.", "What a mess.",
                       "Slow, rude and expensive.", "I am so angry right now.", "It ruined my day.", "Do not buy this."],
    "neutral_whole": ["It is a {product}.", "I bought it last week.", "I use it at work.", "The meeting is on {weekday}.",
                      "It does what it should, nothing more.", "The box contains {n} items.", "I have no opinion about it.",
                      "The store opens at {n}.", "We will see.", "It is neither good nor bad."],
}
SENTIMENT_NAMES = {
    "positive": ["positive", "positive", "good", "happy", "favorable", "pos"],
    "negative": ["negative", "negative", "bad", "unhappy", "unfavorable", "neg"],
    "neutral": ["neutral", "neutral", "mixed", "neither", "neu"],
}
SENTIMENT_ASK = lines("""
What is the sentiment of this {kind}: {labels}?\\n{text}
Classify the sentiment as {labels}.\\n{Kind}: {text}
Is this {kind} {labels}? {text}
Sentiment ({labels}): {text}
{text}\\nIs the {kind} {labels}? Answer with one word.
Classify the sentiment of the {kind} as {labels}. {Kind}: {text}\\nAnswer with one word.
Decide if the {kind} is {labels}: {text}
How does the writer feel: {labels}? {text}
""")

URGENCY = {
    "urgent": lines("""
The server is down and nobody can work, help now!
I need this fixed immediately
My flight leaves in one hour, please call me at once
Emergency: the system is offline
This must be solved today, it is critical
Water is leaking in the office, come quickly
We lost all our data, please respond right away
Our shop can not take payments right now
I am locked out and my presentation starts in ten minutes
Please answer as soon as possible, it is very urgent
The production site is broken for all users
Stop the payment now before it goes through
"""),
    "not urgent": lines("""
Whenever you have time, please send me the catalogue
Just a small question about your colors
No hurry, but I would like to know your prices
When you get a chance, please update my name
I was wondering if you plan a new model next year
A small idea for your website
You can answer next week
I would like to hear about your newsletter
No rush, just let me know
It would be nice to see more photos some day
"""),
}
URGENCY_NAMES = {"urgent": ["urgent", "high", "high priority", "critical"],
                 "not urgent": ["not urgent", "low", "low priority", "routine"]}

SPAM = {
    "spam": lines("""
You have won {amount}! Click here to claim your prize
Cheap watches, 90% off, buy now
Congratulations, you are our lucky winner, send us your bank details
Make money fast from home, no experience needed
Your account will be closed, click this link and enter your password
Get a free {product} today, limited offer
Lose weight in 3 days with this miracle pill
Dear friend, I am a prince and need your help to move {amount}
Hot deals only today!!! Click now
Earn {amount} per week without working
"""),
    "not spam": lines("""
The meeting moves to {weekday} at {n}
Can you send me the report by {weekday}?
Happy birthday, {name}!
Lunch on {weekday}?
I attached the slides for the talk
{name} will be late today
Please bring the {product} tomorrow
The train to {city} leaves at {n}
Mom called, please call her back
Here are the notes from the meeting
"""),
}
SPAM_NAMES = {"spam": ["spam", "spam", "junk"], "not spam": ["not spam", "ham", "legitimate", "ok"]}

LANGUAGE = {
    "English": ["Where is the train station?", "I would like a cup of coffee.", "The weather is nice today.",
                "My name is {name}.", "How much does this cost?", "We will meet on Monday.", "I live in {city}.",
                "Good morning, how are you?", "The book is on the table.", "Thank you very much."],
    "German": ["Wo ist der Bahnhof?", "Ich möchte eine Tasse Kaffee.", "Das Wetter ist heute schön.", "Ich heiße {name}.",
               "Wie viel kostet das?", "Wir treffen uns am Montag.", "Ich wohne in {city}.", "Guten Morgen, wie geht es dir?",
               "Das Buch liegt auf dem Tisch.", "Vielen Dank für die Hilfe."],
    "French": ["Où est la gare ?", "Je voudrais une tasse de café.", "Il fait beau aujourd'hui.", "Je m'appelle {name}.",
               "Combien ça coûte ?", "Nous nous voyons lundi.", "J'habite à {city}.", "Bonjour, comment allez-vous ?",
               "Le livre est sur la table.", "Merci beaucoup pour votre aide."],
    "Spanish": ["¿Dónde está la estación?", "Quisiera una taza de café.", "Hoy hace buen tiempo.", "Me llamo {name}.",
                "¿Cuánto cuesta esto?", "Nos vemos el lunes.", "Vivo en {city}.", "Buenos días, ¿cómo estás?",
                "El libro está en la mesa.", "Muchas gracias por la ayuda."],
    "Italian": ["Dov'è la stazione?", "Vorrei una tazza di caffè.", "Oggi il tempo è bello.", "Mi chiamo {name}.",
                "Quanto costa questo?", "Ci vediamo lunedì.", "Abito a {city}.", "Buongiorno, come stai?",
                "Il libro è sul tavolo.", "Grazie mille per l'aiuto."],
}

TOPICS = {
    "sports": lines("""
The team won the final 3 to 1\nShe ran the marathon in record time\nThe striker scored two goals\nThe coach is happy with the match
The tennis player lost the semi-final\nThe swimmer broke the world record\nFans cheered as the club lifted the cup
"""),
    "politics": lines("""
The parliament passed a new law\nThe president met the prime minister\nVoters go to the polls on Sunday\nThe minister resigned
The party lost the election\nThe senate debates the new tax bill\nThe mayor announced a new policy
"""),
    "technology": lines("""
The company released a new smartphone\nThe new chip is twice as fast\nResearchers built a faster computer\nThe app has a million users
A software update fixes the bug\nThe robot can climb stairs\nThe start-up builds electric cars and software
"""),
    "business": lines("""
The stock price fell by ten percent\nThe company reported higher profits\nThe bank raised interest rates\nThe merger was approved
Sales grew in the last quarter\nThe factory will close next year\nInvestors sold their shares
"""),
    "health": lines("""
Doctors recommend eating more vegetables\nThe new vaccine protects against the flu\nThe hospital needs more nurses
Sleep is important for your heart\nThe patient recovered after surgery\nA study links sugar to diabetes
"""),
    "science": lines("""
Astronomers found a new planet\nThe experiment proves the theory\nScientists discovered a new kind of frog
The telescope shows distant galaxies\nPhysicists measured the particle\nFossils of a dinosaur were found in the desert
"""),
    "entertainment": lines("""
The new film opens in cinemas on Friday\nThe singer released her third album\nThe actor won an award
The series gets a second season\nThe band goes on tour next summer\nThe festival shows forty movies
"""),
    "food": lines("""
Add the onions and stir for five minutes\nThe new restaurant serves Italian pasta\nThe chef opened a bakery
This soup needs more salt\nThe cake should bake for an hour\nFresh bread tastes best with butter
"""),
    "travel": lines("""
The beach is a short walk from the hotel\nThe train goes through the mountains\nThe old town attracts many tourists
Pack light for a week in the islands\nFlights to the coast are cheap in spring\nThe guide showed us the castle
"""),
    "weather": lines("""
Heavy rain is expected on Tuesday\nSnow fell in the mountains last night\nIt will be sunny and warm
A storm is moving to the coast\nTemperatures drop below zero tonight\nFog covers the valley this morning
"""),
}

QUESTION = {
    "question": lines("""
Where is the station?\nWhat time is it?\nDo you like tea?\nHow old is {name}?\nCan you help me?\nWhy is the sky blue?\nWho called?
Is the shop open on {weekday}?\nWhich bus goes to {city}?\nAre you coming?
"""),
    "statement": lines("""
The station is over there.\nIt is five o'clock.\nI like tea.\n{name} is ten years old.\nI can help you.\nThe sky is blue.
{name} called.\nThe shop is open on {weekday}.\nThe bus goes to {city}.\nWe are coming.
"""),
    "command": lines("""
Go to the station.\nTell me the time.\nDrink your tea.\nHelp me with this.\nOpen the window.\nCall {name} now.
Close the shop on {weekday}.\nTake the bus to {city}.\nCome with us.\nTurn off the {product}.
"""),
}

FIRST_NAMES = lines("""
Anna\nBen\nClara\nDavid\nEmma\nFelix\nGrace\nHenry\nIsabel\nJack\nKaren\nLiam\nMaria\nNoah\nOlivia\nPeter\nQuinn\nRosa\nSam\nTina
Umar\nVera\nWalter\nXenia\nYusuf\nZoe\nAisha\nBruno\nChen\nDiego\nElena\nFatima\nGeorge\nHana\nIvan\nJulia\nKofi\nLena\nMarco\nNina
Oscar\nPriya\nRaj\nSofia\nTom\nUrsula\nVictor\nWei\nYuki\nJohn\nMary\nJames\nLinda\nRobert\nSarah\nMichael\nLaura\nDaniel\nAlice\nBob
Sara\nLucas\nMia\nEthan\nAva\nLeo\nIngrid\nPaulo\nTariq\nMei\nAmir\nJane\nCarlos\nHannah\nOmar\nStella\nKevin\nRuth\nPhilip\nDiana
""")
LAST_NAMES = lines("""
Smith\nJones\nMiller\nBrown\nGarcia\nNguyen\nKim\nSilva\nMartin\nRossi\nMeyer\nSchmidt\nKowalski\nIvanov\nTanaka\nPatel\nKhan\nLee
Andersson\nHansen\nDubois\nLopez\nClark\nWalker\nHall\nYoung\nKing\nWright\nScott\nGreen\nBaker\nAdams\nNelson\nCarter\nTurner\nParker
Evans\nCollins\nMorgan\nBell\nMurphy\nCook\nRogers\nReed\nBailey\nCooper\nWard\nGray\nJames\nWatson\nBrooks\nKelly\nPrice\nBennett
Wood\nBarnes\nRoss\nFoster\nHughes\nWeber\nFischer\nMoreau\nOkafor\nSato\nSingh\nPopov\nNovak\nHorvat\nJohnson\nWilliams\nDoe
""")
CITIES = lines("""
London\nParis\nBerlin\nMadrid\nRome\nVienna\nPrague\nLisbon\nOslo\nDublin\nTokyo\nSeoul\nBeijing\nDelhi\nMumbai\nCairo\nLagos\nNairobi
Boston\nChicago\nDenver\nSeattle\nMiami\nDallas\nToronto\nMontreal\nSydney\nMelbourne\nNew York\nLos Angeles\nSan Francisco\nHamburg
Munich\nLyon\nMilan\nNaples\nBarcelona\nSeville\nPorto\nGeneva\nZurich\nBrussels\nAmsterdam\nCopenhagen\nStockholm\nHelsinki\nWarsaw
Budapest\nAthens\nIstanbul\nDubai\nSingapore\nBangkok\nManila\nLima\nBogota\nSantiago\nAustin\nPortland\nAtlanta\nLeeds\nBristol
""")
COUNTRIES = lines("""
France\nGermany\nSpain\nItaly\nAustria\nPortugal\nNorway\nIreland\nJapan\nChina\nIndia\nEgypt\nKenya\nCanada\nAustralia\nMexico\nBrazil
Poland\nGreece\nTurkey\nSweden\nFinland\nDenmark\nBelgium\nSwitzerland\nChile\nPeru\nThailand\nVietnam\nMorocco\nNew Zealand\nUkraine
""")
COMPANY_WORDS = ["Acme", "Globex", "Initech", "Northwind", "Contoso", "Umbra", "Vertex", "Bluebird", "Sunrise", "Delta", "Pioneer",
                 "Evergreen", "Redwood", "Silverline", "Summit", "Harbor", "Nimbus", "Orion", "Falcon", "Maple"]
COMPANY_ENDS = ["", "", " Inc", " Ltd", " GmbH", " Corp", " Systems", " Foods", " Bank", " Labs", " Logistics", " Motors"]
JOBS = ["engineer", "nurse", "teacher", "sales manager", "driver", "accountant", "designer", "data analyst", "cook", "lawyer",
        "project manager", "software developer", "doctor", "plumber", "marketing lead", "CEO", "editor", "pilot"]
MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
          "December"]
WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
COLORS = ["red", "blue", "green", "black", "white", "yellow", "grey", "pink", "brown", "silver", "purple", "orange"]
SIZES = ["small", "medium", "large", "XL", "S", "M", "L", "size 42", "size 38"]
EVENTS = ["meeting", "conference", "wedding", "concert", "workshop", "dinner", "interview", "party", "team lunch", "dentist appointment",
          "yoga class", "webinar", "job fair", "birthday party", "school play", "board meeting", "book club", "training"]
DISHES = ["pizza", "sushi", "pasta", "a burger", "soup", "salad", "tacos", "curry", "ramen", "a sandwich", "fried rice", "pancakes"]

# Extraction: names each field may go by, and the value kind that fills it.
FIELDS = {
    "name": ["name", "person", "customer name", "customer", "full name", "who", "contact name", "client"],
    "email": ["email", "email address", "e-mail", "contact email", "mail"],
    "phone": ["phone", "phone number", "telephone", "mobile", "contact number"],
    "order": ["order number", "order id", "order", "order_id", "order_number", "reference", "reference number"],
    "product": ["product", "item", "article", "product name", "what was bought"],
    "quantity": ["quantity", "amount of items", "count", "number of items", "how many"],
    "amount": ["amount", "price", "total", "cost", "sum", "payment amount"],
    "date": ["date", "day", "when", "due date", "event date"],
    "time": ["time", "start time", "hour", "at what time"],
    "city": ["city", "town", "place", "location", "where"],
    "from_city": ["origin", "from", "departure city", "departure", "start city", "from city"],
    "to_city": ["destination", "to", "arrival city", "going to", "to city"],
    "country": ["country", "nation", "country name"],
    "company": ["company", "employer", "business", "organization", "company name", "firm"],
    "job": ["job", "job title", "position", "profession", "role", "occupation"],
    "age": ["age", "years", "age in years"],
    "color": ["color", "colour"],
    "size": ["size", "item size"],
    "event": ["event", "meeting", "title", "what", "event name", "appointment"],
    "people": ["people", "guests", "party size", "number of people", "number of guests"],
    "dish": ["dish", "food", "meal"],
    "street": ["street", "address", "street address"],
}
NUMERIC_FIELDS = {"quantity", "age", "people", "party_size_number", "rating_value", "best_rating"}

FRAMES = lines("""
My name is {name} and my email is {email}.
My name is {name}, my phone number is {phone}.
I am {name} from {city}.
I'm {name}, {age} years old, and I live in {city}.
{name} is {age} years old and works as a {job} at {company}.
{name} works at {company} as a {job}.
{name} lives in {city}, {country}.
{name} joined {company} in {city} on {date}.
{name} ordered {quantity} {product}s for {amount}.
{name} bought a {product} for {amount} on {date}.
I ordered a {product} on {date}, the order number is {order}.
Order {order}: {quantity} {product}s, total {amount}, ship to {city}.
Please send {quantity} {product}s to {name} in {city}.
Please ship order {order} to {street}, {city}.
Hi, this is {name}. I want to return the {product} from order {order}.
My order {order} has not arrived. You can reach me at {email}.
Contact {name} at {email} or {phone}.
Call {name} at {phone} on {date}.
The {event} is on {date} at {time}.
The {event} is on {date} at {time} in {city}.
Schedule a {event} with {name} on {date} at {time}.
Book a {event} for {date} at {time}.
{name} has a {event} in {city} on {date}.
Remind me about the {event} at {time}.
Book a flight from {from_city} to {to_city} on {date}.
I want to fly from {from_city} to {to_city} on {date} at {time}.
I need a train ticket to {to_city} leaving {from_city} at {time}.
{name} is travelling from {from_city} to {to_city} on {date}.
Fly me to {to_city} on {date}.
Book a table for {people} people at {time} on {date}.
Table for {people} on {date} under the name {name}.
Reserve a table for {people} at {time}, name {name}, phone {phone}.
I would like to order {dish} for {people} people.
{name} wants {dish} at {time}.
The invoice from {company} over {amount} is due on {date}.
{company} paid {amount} to {name} on {date}.
I paid {amount} to {company} for the {product}.
The {color} {product} in {size} costs {amount}.
I want a {color} {product}, {size}.
Do you have the {product} in {color}?
We need {quantity} {color} {product}s by {date}.
{company} opened an office in {city}, {country} on {date}.
{name}, {job} at {company}, will visit {city} on {date}.
{name} moved from {from_city} to {to_city}.
Ship it to {name}, {street}, {city}, {country}.
My address is {street}, {city}.
You can write to {email}, {name}.
{name}'s {event} starts at {time}.
The {product} costs {amount}.
The package {order} was delivered to {city} on {date}.
{name} from {company} called about order {order}.
The {job} {name} earns {amount}.
Meet {name} in {city} at {time}.
I bought {quantity} {product}s in {city}.
Transfer {amount} to {name} by {date}.
{name} was born in {city} and is {age}.
Hello, I am {name} ({email}), my {product} from order {order} is broken.
Pick me up in {from_city} at {time} and bring me to {to_city}.
{people} guests are coming to the {event} on {date}.
Refund {amount} for order {order} to {email}.
""")
HELD_OUT_FRAMES = 6

GENERIC_SYSTEM = ["You are a helpful assistant.", "You are a helpful assistant. Be concise.", "Be concise.",
                  "You are a customer service assistant.", "Answer in as few words as possible.", "You are a helpful AI assistant.",
                  "Follow the instructions exactly.", "You are a precise assistant. Do not explain."]

COMMON_COMMANDS = set("""
ls cd cp mv rm mkdir rmdir cat less head tail grep find tar zip unzip gzip gunzip chmod chown ps kill top df du free uname whoami
pwd echo touch ln wc sort uniq cut tr sed awk diff ssh scp rsync curl wget ping git git-add git-commit git-push git-pull git-clone
git-branch git-checkout git-log git-status git-diff git-merge git-stash git-reset git-init docker docker-ps docker-run
docker-build docker-images docker-stop docker-rm docker-logs docker-exec npm pip cargo make man which history date cal tee xargs
sleep env export passwd su sudo apt apt-get systemctl journalctl crontab file stat basename dirname md5sum sha256sum
""".split())
