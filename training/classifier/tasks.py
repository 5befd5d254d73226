"""Our own prompts for the task head and the expected length, written for this project: the twelve kinds of work.

The public routing data is nearly all questions, sums and code, so everything else here is ours: phrases that ask for
the work, put around texts of ours and of openly licensed sets. The kind is certain, because the phrase says it; the
chance that a small model does it well (`soft`) and the length of the answer are our judgement, or the length of the
reference answer where a set has one. `VALIDATION` is hand-written and never trained on, but the lists of `phrases.py`
were widened after it was seen: it chooses settings and proves nothing.
"""

import json
import random
from pathlib import Path

import phrases

TASKS = ("classification", "extraction", "question_answering", "summarising", "rewriting", "translation", "code", "maths",
         "reasoning", "creative", "conversation", "other")

PASSAGES = [
    "Hi all, the delivery from the printer in Graz slipped to the 14th because their paper supplier is on strike. Marta asked "
    "for a partial shipment of 200 leaflets so that the fair stand is not empty. We pay the extra courier, about 85 euros.",
    "The town library will close for three weeks in August while the heating is replaced. Books that are due in that time may "
    "be kept until the first of September. The reading room in the old school stays open on weekday afternoons.",
    "Dear customer service, I bought the X200 kettle on 3 May and it leaks at the base. I have the receipt, order 77-1830. I "
    "would like a replacement rather than a refund. Please call me on 0316 555 01 after five. Regards, Helga Brunner",
    "Bees tell each other where food is by dancing. The angle of the dance shows the direction in relation to the sun, and its "
    "length shows the distance. Young bees watch older ones before they dance well, and colonies without teachers dance badly.",
    "Minutes, 9 June. Present: Ola, Sam, Ines. Budget approved with one change: travel is cut by ten per cent. Sam rewrites the "
    "hiring page by Friday. Ines asks two agencies for offers. Next meeting on the 23rd, online.",
    "The flat has two rooms, 54 square metres, a small balcony to the south and a new kitchen. Rent is 780 a month without "
    "heating. No pets. The tram stops in front of the house and the lake is ten minutes away by bike.",
    "The patient, 61, reports a dry cough for three weeks, worse at night. No fever. Takes lisinopril 10 mg since January. "
    "Lungs clear, saturation 97 per cent. Plan: stop lisinopril, start losartan 50 mg, review in four weeks.",
    "Our third quarter went better than planned. Revenue grew nine per cent to 4.2 million, mostly from service contracts. "
    "Hardware fell again. Costs rose because of the move to the new warehouse, which should pay for itself within two years.",
    "The rescue team found the two hikers shortly after midnight below the north ridge. They had lost the path in fog and were "
    "cold but unhurt. A spokesman again asked visitors to check the weather and to carry a lamp even on short tours.",
    "Solar panels lose a little of their output every year, usually about half a per cent. Heat and moisture speed this up. "
    "Most makers promise at least 80 per cent of the first year's output after a quarter of a century.",
    "I loved the first half of the film, the pictures are stunning and the child actors are great, but then it drags on and on, "
    "and the ending made no sense to me at all. Would not watch it again, though my sister would.",
    "The clause says that either party may end the agreement with ninety days' notice in writing. Fees paid in advance are "
    "returned pro rata. Confidentiality survives for three years. Disputes go to the courts in Linz.",
    "When Nora came home the window was open and the cat was gone. On the table lay a note in a hand she did not know. She "
    "read it twice, put on her coat again, and went down to the harbour without locking the door.",
    "server 14 was unreachable from 02:10 to 02:52. the switch in rack 3 rebooted after a firmware update that nobody had "
    "announced. we moved the two databases by hand. follow-up: alerts for switch reboots, and a change calendar.",
]
SHORT = ["i cant make it tmrw sorry", "their going to the the shop later", "The meeting was moved because of the boss is sick.",
         "We regret to inform you that your application was not successful.", "gimme the report asap", "It is what it is.",
         "The results were pretty good and everyone was happy about them.", "Please find attached the file you asked for.",
         "he dont know nothing about it", "Your invoice is overdue. Pay now.", "I think that maybe we could possibly try it.",
         "The quick fix did not work, so we will try again on Monday.", "Could you send me the address of the hotel?",
         "My dog ate the remote control this morning."]
LANGUAGES = ["French", "German", "Spanish", "Italian", "Japanese", "Dutch", "Polish", "Portuguese", "Turkish", "Chinese", "Swedish",
             "Arabic", "Korean", "English", "Greek", "Hindi", "Russian", "Czech"]
FOREIGN = ["Wo ist der nächste Bahnhof?", "Je voudrais réserver une table pour deux personnes.", "¿Cuánto cuesta este libro?",
           "Il treno parte alle otto.", "Vielen Dank für Ihre Nachricht, wir melden uns morgen.", "Dzień dobry, jak się masz?",
           "La réunion est reportée à jeudi.", "Het regent al de hele dag.", "Obrigado pela ajuda de ontem.",
           "Mañana no puedo venir porque tengo fiebre.", "明日は雨が降るでしょう。", "Bitte schließen Sie die Tür leise."]
TOPICS = ["a lighthouse keeper", "autumn in the city", "an old bicycle", "two rival bakers", "the first snow", "a robot that is afraid of rain",
          "my grandmother's garden", "a lost umbrella", "a night train", "the sea", "a cat that runs a cafe", "moving to a new town", "coffee",
          "a dragon who works in an office", "friendship", "a school trip to the moon", "our new running shoes", "a small vegan restaurant",
          "an app for sharing tools", "a retired detective"]
THINGS = ["rainbows", "inflation", "the immune system", "black holes", "photosynthesis", "a heat pump", "the French Revolution", "vaccines",
          "tides", "a mortgage", "the Ottoman Empire", "yeast", "glaciers", "GPS", "the stock market", "migraine", "the Silk Road", "batteries",
          "volcanoes", "the European Parliament", "DNA", "jet lag", "the Roman Senate", "compost"]
FACTS = ["Who painted the ceiling of the Sistine Chapel", "What is the capital of Mongolia", "When did the Berlin Wall fall", "How many bones does an adult have",
         "Which planet has the most moons", "What does HTTP stand for", "Who wrote The Trial", "How tall is Mont Blanc", "Where do penguins live",
         "What is the boiling point of ethanol", "Which river flows through Budapest", "Who invented the telephone", "What language do they speak in Brazil",
         "How long does it take light to reach us from the sun", "What is the difference between a virus and a bacterium", "Why is the sky blue",
         "What causes earthquakes", "Is a tomato a fruit or a vegetable", "What is the main ingredient of hummus", "How do noise-cancelling headphones work",
         "Who was the first woman in space", "What year did the Titanic sink", "What currency is used in Poland", "Why do cats purr"]
PROGRAMS = ["reverses a linked list", "checks whether a string is a palindrome", "parses a CSV file and sums the second column",
            "downloads a web page and counts its links", "finds duplicates in a list", "computes the nth Fibonacci number with a cache",
            "validates e-mail addresses", "sorts a dictionary by value", "merges two sorted arrays", "renames all photos in a folder by date",
            "prints a calendar for a month", "converts Roman numerals", "retries a request with backoff", "draws a bar chart from JSON",
            "removes blank lines from a file", "groups anagrams", "flattens nested lists", "hashes a password", "debounces a click handler"]
CODE_LANGUAGES = ["Python", "JavaScript", "Rust", "Go", "Java", "C", "C++", "TypeScript", "bash", "SQL", "PHP", "Kotlin", "Ruby", "R"]
SNIPPETS = [
    "def mean(xs):\n    return sum(xs) / len(xs)\n\nprint(mean([]))",
    "for (let i = 0; i <= items.length; i++) {\n  console.log(items[i].name);\n}",
    "SELECT name, COUNT(*) FROM orders WHERE total > 100;",
    "fn longest(a: &str, b: &str) -> &str {\n    if a.len() > b.len() { a } else { b }\n}",
    "int *p = malloc(10);\nfree(p);\nprintf(\"%d\", p[0]);",
    "const [n, setN] = useState(0);\nuseEffect(() => { setN(n + 1); });",
    "try:\n    data = json.load(open(path))\nexcept:\n    pass",
    "public class A { public static void main(String[] a) { String s = null; System.out.println(s.length()); } }",
    "while read f; do rm $f; done < list.txt",
]
ERRORS = ["TypeError: 'NoneType' object is not subscriptable", "segmentation fault (core dumped)", "cannot borrow `x` as mutable more than once",
          "undefined is not a function", "ModuleNotFoundError: No module named 'requests'", "NullPointerException at line 42",
          "CORS policy: No 'Access-Control-Allow-Origin' header", "merge conflict in package-lock.json", "error: expected ';' before '}' token"]
SUMS = ["17 * 23", "3/8 + 5/12", "15% of 240", "the square root of 1764", "2^10 - 3^4", "48 divided by 0.6", "1999 + 2873", "7!", "log10(1000)",
        "the derivative of x^3 - 4x", "the integral of 2x from 0 to 5", "gcd(84, 126)", "12.5 * 0.04", "the sum of the first 50 odd numbers"]
EQUATIONS = ["3x + 7 = 22", "x^2 - 5x + 6 = 0", "2(x - 4) = 5x + 1", "x/3 + 2 = 9", "x + y = 10 and x - y = 4", "5^x = 125", "|2x - 3| = 7"]
STORIES = ["A train leaves at 9:40 and arrives at 13:05 after a stop of 20 minutes. How long was it moving?",
           "Lea buys three notebooks for 2.40 each and pays with a ten. How much change does she get?",
           "A tank holds 90 litres and loses 4 litres an hour. After how many hours is it a third full?",
           "Two painters need 6 hours for a room. How long do three painters need at the same pace?",
           "A jacket costs 120 after a discount of 20 percent. What did it cost before?",
           "If I save 35 a week, how many weeks until I have 500?",
           "A rectangle is twice as long as wide and its perimeter is 48 cm. What is its area?",
           "The recipe is for 4 people and needs 300 g of flour. How much for 7 people?"]
PUZZLES = ["Anna is taller than Ben. Cleo is shorter than Ben. Who is the shortest",
           "All bloops are razzies and some razzies are lazzies. Are some bloops surely lazzies",
           "Three boxes are labelled apples, oranges and mixed, and every label is wrong. From which box do you draw to find out",
           "A farmer must cross a river with a wolf, a goat and a cabbage, and the boat holds only one of them. How does he do it",
           "Tom always lies on Mondays and Tuesdays. Today he says: yesterday I lied. What day is it",
           "If it rains the match is off. The match was not off. Did it rain",
           "You have a 3 litre and a 5 litre jug. How do you measure exactly 4 litres",
           "Five people sit in a row. Ida sits left of Jo, Kim sits at an end, and Leo sits between Jo and Max. Who sits in the middle",
           "The red house is next to the blue one, and the doctor does not live in the red house. Where can the doctor live",
           "What comes next: 2, 6, 12, 20, 30", "Which one does not belong: apple, carrot, pear, plum",
           "Every key opens one chest and no chest has two keys. There are seven chests and eight keys. Is that possible"]
CHOICES = [("rent a flat in the centre", "buy a house an hour away"), ("hire a second engineer", "outsource the app"), ("a heat pump", "a gas boiler"),
           ("take the new job abroad", "stay and ask for a raise"), ("one long holiday", "several short ones"), ("PostgreSQL", "MongoDB"),
           ("a fixed-rate loan", "a variable one"), ("launch now with bugs", "wait two months")]
AIMS = ["move the office to a new building within six weeks", "learn enough Italian for a holiday in three months", "cut our cloud bill by a third",
        "organise a wedding for 80 guests on a small budget", "bring three teams onto one release calendar", "train for a half marathon",
        "migrate the shop to a new payment provider without downtime"]
LABELS = [["positive", "negative", "neutral"], ["spam", "not spam"], ["billing", "technical", "shipping", "other"], ["urgent", "not urgent"],
          ["sports", "politics", "business", "culture"], ["bug", "feature request", "question"], ["complaint", "praise", "enquiry"],
          ["toxic", "fine"], ["yes", "no"], ["low", "medium", "high"], ["formal", "informal"], ["fact", "opinion"], ["invoice", "contract", "letter"]]
FIELDS = ["names", "dates", "phone numbers", "all amounts of money", "the places", "e-mail addresses", "order numbers", "the people and their roles",
          "deadlines", "product names", "medicines and doses", "company names", "the action items", "times and places", "every number"]
STYLES = ["more formal", "more polite", "simpler", "friendlier", "shorter", "in plain English", "more professional", "less wordy", "more confident",
          "suitable for a child", "in the passive voice", "in the past tense", "gender-neutral", "more vivid"]

# (phrases, kinds of text put in, soft, tokens or None: as long as the text)
WORK = {
    "classification": ([
        "Is this {labels_or}? {text}", "Label this as {labels_or}: {text}", "Assign one of the tags [{labels}] to the text below.\n\n{text}",
        "Which category fits: {labels_or}?\n\n{text}", "Decide if the following is {labels_or}. One word only.\n{text}",
        "{text}\n\nCategory ({labels}):", "Tag this ticket. Options: {labels}.\nTicket: {text}", "Sort this message into {labels_or}.\n\"{text}\"",
        "What is the tone of this message, {labels_or}? {text}", "Rate the priority of this ticket as {labels_or}: {text}",
        "Text: {text}\nClass:", "Is the writer of this happy or unhappy?\n{text}", "Sentiment of this review? {text}", "Does this count as {labels_or}: {text}",
        "I need to route this e-mail. Should it go to {labels_or}?\n\n{text}", "Flag whether this comment is {labels_or}.\n{text}",
        "What kind of document is this? Pick from {labels}.\n\n{text}", "Choose the best label. Labels: {labels}\nInput: {text}\nLabel:",
        "Would you file this under {labels_or}?\n{text}", "Identify the intent of: \"{text}\"", "What topic is this about: {labels}? {text}",
        "Answer only with {labels_or}. {text}", "Is the following sentence sarcastic or sincere? {text}", "In which language is this written? {text}",
        "Mark as relevant or irrelevant: {text}", "Decide which team handles this ({labels}): {text}", "Grade the sentiment from 1 to 5: {text}",
        "Group each of these under {labels_or}:\n- {text}\n- {text2}", "Categorise this expense: {text}", "Is this tweet {labels_or}? {text}",
    ], ("short", "passage", "plain"), 0.85, 4),
    "extraction": ([
        "Extract {fields} from this text.\n\n{text}", "List {fields} that appear below.\n{text}", "Pull {fields} out of this: {text}",
        "Give me {fields} in this message as JSON.\n\n{text}", "Find {fields} in the following text: {text}", "What {fields} are mentioned here?\n\n{text}",
        "{text}\n\nReturn {fields} as a bullet list.", "Get {fields} from the mail below and put them in a table.\n\n{text}",
        "Copy out {fields}:\n{text}", "Identify {fields} in the passage.\n\n{text}", "Turn this into JSON with keys name, date and amount: {text}",
        "Fill in: name=, date=, place=. Text: {text}", "Which {fields} occur in this note? {text}", "Parse this into fields.\n{text}",
        "Collect {fields} from these lines, comma separated:\n{text}", "Named entities in: {text}", "Grab {fields} for me, nothing else. {text}",
        "From this text I only need {fields}.\n\n{text}", "Highlight {fields} in the text: {text}", "Output {fields} as CSV.\n{text}",
        "Read the e-mail and tell me {fields}: {text}", "Scan this for {fields}: {text}", "{text}\nJSON:", "Quote the sentence that mentions {fields}.\n\n{text}",
    ], ("passage", "plain"), 0.75, 30),
    "question_answering": ([
        "{fact}?", "{fact}?", "{fact}?", "{fact}", "Quick question: {fact}?", "Can you tell me {fact_low}?", "Do you know {fact_low}?", "What is {thing}?",
        "How does {thing} work?", "Explain {thing} to me.", "Tell me about {thing}.", "What should I know about {thing}?",
        "Read the text and answer: who is it about?\n\n{text}", "{text}\n\nQuestion: what happens next, according to the text?",
        "According to the passage, why did this happen?\n{text}", "Context: {text}\nQuestion: when does it take place?\nAnswer:",
        "Based on the text below, what has to be done?\n\n{text}", "Give a short explanation of {thing}.", "{fact}? Answer in one sentence.",
        "ELI5: {thing}", "Describe {thing} briefly.", "What are the main causes of {thing}?", "When was {thing} discovered, and by whom?",
        "Define {thing}.", "Is it true that {thing} can be dangerous?", "who/what is {thing}", "Why do we have {thing}?",
        "{fact}?\nA. it depends\nB. nobody knows\nC. it is well known\nD. none of these", "Answer from the document only. {text} What is the key date?",
    ], ("passage",), 0.7, 40),
    "summarising": ([
        "Summarise this.\n\n{text}", "Summarize the following text in two sentences:\n{text}", "TL;DR: {text}", "{text}\n\ntl;dr?", "Give me the gist of this: {text}",
        "What are the key points here?\n\n{text}", "Boil this down to one line. {text}", "Sum up this mail for my boss:\n{text}",
        "Write an abstract of this report.\n\n{text}", "Condense to 30 words: {text}", "Main takeaways as three bullets:\n\n{text}",
        "I have no time to read this, what does it say in short?\n{text}", "Short version please: {text}", "Recap the meeting notes below.\n{text}",
        "Provide an executive summary of the text.\n\n{text}", "Give a brief overview of this article: {text}", "In a nutshell, what does this say? {text}",
        "Shrink this to a headline: {text}", "Outline the most important facts of the passage.\n{text}", "Make a short digest of this: {text}",
        "Turn these notes into a summary.\n\n{text}", "Can you summarise the plot? {text}", "Please provide a summary: {text}", "Key facts only: {text}",
    ], ("passage", "long"), 0.8, 50),
    "rewriting": ([
        "Rewrite this {style}: {text}", "Make this {style}.\n\n{text}", "Rephrase: {text}", "Fix the spelling: {text}", "Correct the grammar in this sentence. {text}",
        "Can you make this sound {style}? {text}", "Proofread this mail:\n{text}", "Improve the wording of this paragraph.\n\n{text}",
        "Say the same thing in other words: {text}", "Paraphrase without changing the meaning.\n{text}", "Change the tone to be {style}: {text}",
        "Edit this for clarity: {text}", "Turn this into one flowing sentence: {text}", "Put this {style} please\n{text}", "Polish my text: {text}",
        "Reword this so that it is {style}:\n\n{text}", "Convert the bullet points to prose: {text}", "Remove the mistakes from: {text}",
        "Tidy up this message before I send it. {text}", "My English is bad, please correct: {text}", "Replace the jargon in this: {text}",
        "Tone this down a little: {text}", "How could I say this better? \"{text}\"", "Cut the filler words: {text}", "Rewrite in the first person: {text}",
        "Put into active voice: {text}", "Adjust this for a British audience: {text}", "Punctuate this properly: {text}",
    ], ("short", "short", "passage", "plain"), 0.85, None),
    "translation": ([
        "Translate into {language}: {text}", "Translate to {language}.\n\n{text}", "How do you say \"{text}\" in {language}?", "{language} translation of: {text}",
        "Translate this from {language} to English: {foreign}", "What does \"{foreign}\" mean in English?", "Please put this into {language}: {text}",
        "I need this in {language}.\n{text}", "{text}\n\nin {language} please", "Give me the {language} version of this mail:\n\n{text}",
        "Can you translate that for me? {foreign}", "English please: {foreign}", "Render the following in {language}: {text}", "{text} -> {language}",
        "Translate the quoted words to {language}: '{text}'", "Write this in {language}: {text}", "What is the {language} word for '{word}'?",
        "Say '{text}' in {language}", "Übersetze ins Deutsche: {text}", "Traduis en français : {text}", "Traduce al español: {text}",
        "translate {foreign}", "My landlord wrote: {foreign} What is that in English?", "Localise this button text for {language} users: {text}",
    ], ("short", "plain", "short", "passage"), 0.6, None),
    "code": ([
        "Write a {lang} function that {program}.", "Write a {lang} program that {program}", "{lang} script that {program}, please", "Fix this code:\n\n{snippet}",
        "Why does this crash?\n```\n{snippet}\n```", "What does this code do?\n{snippet}", "I get `{error}`. What is wrong?", "How do I solve {error}",
        "Refactor this:\n```\n{snippet}\n```", "Add tests for the following function.\n\n{snippet}", "Give me a regex that matches dates like 2024-01-31.",
        "Convert this to {lang}:\n{snippet}", "Implement a class in {lang} that {program}.", "Explain this snippet line by line:\n{snippet}",
        "Write a SQL query for the ten customers with the highest turnover.", "How can I undo the last git commit without losing changes?",
        "What is the shell command to find files larger than 1 GB?", "Write a Dockerfile for a {lang} service.", "Review this pull request:\n{snippet}",
        "Code review please\n\n{snippet}", "In {lang}, how do I {verb_program}?", "Make this faster:\n{snippet}", "Write a unit test in {lang} for code that {program}.",
        "Complete the function:\n{snippet}", "Debug this. It says {error}\n\n{snippet}", "Write a GitHub Actions workflow that runs the tests.",
        "What's the time complexity of this?\n{snippet}", "Generate a HTML page with a login form.", "CSS to centre a div", "{lang} one-liner that {program}?",
        "Which command {command}?", "Shell command: {command}", "How do I do this on the command line: {command}",
    ], (), 0.45, 150),
    "maths": ([
        "What is {sum}?", "Calculate {sum}.", "Compute {sum}", "{sum} = ?", "Solve for x: {equation}", "Solve {equation}.", "{story}", "{story}", "{story} Show your work.",
        "How much is {sum}?", "Work out {sum} please.", "What's {sum}", "Evaluate {sum}.", "Simplify: (x^2 - 9)/(x - 3)", "Find the roots of {equation}",
        "Prove that the square root of 2 is irrational.", "Prove that the sum of two odd numbers is even.", "Factor x^2 + 7x + 12.",
        "What is the probability of rolling two sixes with two dice?", "How many ways can 6 people sit around a table?", "Convert 3.5 miles to kilometres.",
        "What is the area of a circle with radius {n} cm?", "Find the mean and the median of 3, 7, 7, {n}, 12.", "{n} percent of {n2}?", "Round {n}.4567 to two decimals.",
        "If f(x) = 2x + {n}, what is f({n2})?", "A bag holds {n} red and {n2} blue balls. What is the chance of drawing a red one?",
        "Differentiate sin(x) * e^x.", "What is the compound interest on {n2}00 at {n}% for 3 years?", "Check my calculation: {sum} = {n2}",
    ], (), 0.6, 90),
    "reasoning": ([
        "{puzzle}?", "{puzzle}? Explain your reasoning.", "Riddle: {puzzle}?", "{puzzle}? Think step by step.", "Solve this logic puzzle. {puzzle}?",
        "Should I {choice_a} or {choice_b}? Weigh the arguments.", "Compare {choice_a} and {choice_b} and tell me which is better for us.",
        "Make a plan to {aim}.", "What are the pros and cons of {choice_a}?", "How would you go about it: {aim}? Mind the dependencies.",
        "What can be concluded from this?\n{text}", "Is the argument below valid? Why or why not?\n\n{text}", "What would happen if {thing} did not exist?",
        "Find the flaw in this reasoning: {text}", "Help me decide between {choice_a} and {choice_b}.", "Which hypothesis explains this best?\n{text}",
        "Rank these options by risk and explain: {choice_a}; {choice_b}.", "What is the root cause here, most likely?\n\n{text}",
        "Which assumptions does this text make?\n{text}", "Work out the order of events from these clues: {puzzle}.",
        "Design a strategy to {aim} and justify every step.", "Evaluate the evidence for and against the claim that {thing} matters less than people think.",
        "If we {choice_a}, what are the second-order effects?", "Devil's advocate: argue against this plan to {aim}.", "Deduce who is right.\n{text}",
    ], ("passage",), 0.35, 180),
    "creative": ([
        "Write a poem about {topic}.", "Write a short story about {topic}.", "Tell me a story about {topic}.", "Haiku about {topic}", "Write a song about {topic}.",
        "Come up with five names for {topic}.", "Write a slogan for {topic}.", "Write a funny dialogue about {topic}.", "Make up a joke about {topic}.",
        "Write a birthday card for {name}.", "Draft an invitation to {name}'s party.", "Write a blog post about {topic}.", "Brainstorm ideas for a video about {topic}.",
        "Write an advertisement for {topic}.", "Invent a bedtime story with {topic} in it.", "Write a limerick about {topic}", "Write a product description for {topic}.",
        "Give me ten creative titles for a novel about {topic}.", "Write a letter to {name} about {topic}.", "Write a speech for {name}'s farewell.",
        "Write the opening paragraph of a crime novel set around {topic}.", "Compose a toast for {name}.", "Write an Instagram caption about {topic}.",
        "Write a rap about {topic}", "Describe {topic} as a pirate would.", "Imagine {topic} a hundred years from now.", "Write a scene in which {topic} appears.",
        "Write a cover letter for a job as a gardener.", "Write an essay on {topic}.", "Write a {n2}0-word story on {topic}.", "Write a love letter from the point of view of {topic}.",
        "Using the words {words3}, write a sentence.", "Make a sentence with these words: {words3}.", "Continue this story:\n{text}", "Write a newsletter about {topic}.",
    ], ("passage",), 0.65, 220),
    "conversation": ([
        "{greet}", "{greet}", "{greet}", "{greet} {greet}", "how was your day?", "I'm bored, talk to me.", "what's your name?", "are you a real person?", "do you like music?",
        "I had a terrible day at work.", "I feel a bit lonely today.", "thanks, that was helpful", "no worries!", "haha that's funny", "what do you think about {topic}?",
        "guess what happened to me today", "I'm so excited about tomorrow!", "can we talk for a bit?", "nice weather today, isn't it", "you are great",
        "never mind", "ok sounds good, see you then", "sorry, I was away for a minute", "Hi, I'm {name}. Who are you?", "do you remember me?", "let's chat about {topic}",
        "what's up", "my cat did something silly again", "good night, talk tomorrow", "lol", "I don't know what to do with my life", "tell me something about yourself",
        "what is your favourite colour?", "I just got promoted!", "you didn't answer me", "congrats!!", "hmm okay", "wow, really?", "I miss my friends",
        "that's not what I meant, but thanks anyway", "are you there?", "I'm tired", "how do you feel?", "My day was great, yours?", "brb", "I passed my exam!!",
    ], (), 0.93, 25),
    "other": ([
        "{plain}", "{plain}", "{plain}", "{plain}", "turn on the lights in the kitchen", "set a timer for {n} minutes", "remind me to call {name} at five", "play some jazz",
        "book me a table for {n} on Friday", "asdf jkl qwer", "test", "test test 123", "...", "###", "lorem ipsum dolor sit amet", "add milk to my shopping list",
        "Act as a Linux terminal.", "You are a helpful assistant.", "Simulate a chess game; you are white.", "Generate {n} random numbers.", "Repeat after me: {topic}",
        "Print the alphabet backwards.", "Say nothing.", "{n}{n2}{n}", "Draw a picture of {topic}.", "Create an image with {topic}", "Call my mother.", "open the garage door",
        "Make a table with two empty columns.", "Continue.", "go on", "next", "Ignore everything above.", "Send an e-mail to {name}.", "Recommend a film for tonight.",
        "Recommend a good restaurant near the station.", "Give me a recipe with lentils.", "Plan my workout for today.", "What can I cook with eggs and leeks?",
        "Search the web for {topic}.", "Upload the file.", "https://example.org/page?id={n2}", "Format the disk.", "Sing.", "Count to {n2}.", "cancel my order",
    ], (), 0.7, 40),
}
GREET = ["hi", "hello", "hey", "good morning", "good evening", "hi there", "hey you", "howdy", "hello again", "thank you!", "thanks a lot", "bye", "see you", "good night",
         "how are you?", "how's it going?", "nice to meet you", "cheers", "you're welcome", "welcome back", "hiya", "yo", "morning!", "ok", "sure", "yes", "no", "great", "cool"]
BEFORE = ["", "", "", "", "", "", "Please help: ", "Hi! ", "Hello, ", "Hey, ", "You are a helpful assistant.\n\n", "Task: ", "I have a request. ", "Could you do this? "]
AFTER = ["", "", "", "", "", "", "", " Thanks!", " Thank you.", "\n", " Keep it short.", " Be precise.", "\n\nAnswer in English."]
COPY = ("summarising", "rewriting", "translation", "extraction", "classification")

VALIDATION = [
    ("Is the customer in this chat angry, calm or pleased? 'Still waiting, third week now.'", "classification"), ("spam or ham: 'Cheap watches!!! reply now'", "classification"),
    ("Put this complaint in the right bucket (delivery, quality, price): the vase came broken", "classification"), ("Does this review recommend the hotel? Reply yes/no. 'We will be back next summer.'", "classification"),
    ("Which genre is this song lyric, country or metal? 'My truck broke down by the old corn field'", "classification"),
    ("Who and when? 'Dr. Weiss sees you on 4 July at 8.' Give both as JSON.", "extraction"), ("Fetch the IBAN from this letter: 'Pay to AT61 1904 3002 3457 3201 by Friday'", "extraction"),
    ("all hashtags in this post please: 'sun #beach #summer and #fun'", "extraction"), ("Which cities does the traveller name? 'From Oslo we went to Bergen, then Trondheim.'", "extraction"),
    ("make a list of the ingredients named in this recipe text: stir two eggs into the flour, add butter", "extraction"),
    ("who was king of Spain in 1600", "question_answering"), ("What's the reason leaves turn red in autumn?", "question_answering"), ("how old do elephants get", "question_answering"),
    ("What does a central bank do?", "question_answering"), ("'The bridge was built in 1912 and rebuilt in 1950.' When was it rebuilt?", "question_answering"),
    ("Can you cut this article down to its essentials? The council voted on Tuesday to ...", "summarising"), ("one-paragraph summary of the minutes: Present were ... The chair opened ...", "summarising"),
    ("What's the bottom line of this report? Sales in the south rose, the north fell, overall flat.", "summarising"), ("Give me this chapter in five bullet points. Chapter 3. The storm had ...", "summarising"),
    ("briefly: what did she write? 'Dear all, after long thought I have decided to leave the board ...'", "summarising"),
    ("Make it sound less rude: 'You forgot it again.'", "rewriting"), ("there is alot of erors in this sentance, mend them", "rewriting"), ("Rephrase my e-mail so my landlord takes it well: I wont pay the extra.", "rewriting"),
    ("say this more elegantly: the food was good and cheap", "rewriting"), ("Write this text again for a ten-year-old: Osmosis is the movement of solvent ...", "rewriting"),
    ("'Guten Abend' in Finnish?", "translation"), ("Please give the Norwegian for: I would like two tickets", "translation"), ("Traduci in inglese: dove si trova la stazione", "translation"),
    ("What would a Hungarian say for 'cheers'?", "translation"), ("Translate the menu: Soupe du jour, tarte aux pommes", "translation"),
    ("my loop never ends: while x > 0: print(x)", "code"), ("need a bash loop over all .png files", "code"), ("Write quicksort in Haskell", "code"), ("how to join two tables on three columns in postgres", "code"),
    ("git says detached HEAD, what now", "code"), ("whats 12 times 12 minus 4", "maths"), ("A pool fills in 3 hours with one pump and in 5 with another. Both together?", "maths"),
    ("Find all n such that n^2 + 1 is divisible by 5.", "maths"), ("integrate x * ln x", "maths"), ("I earn 2,300 and pay 31% tax, what is left?", "maths"),
    ("Four suspects, each tells one lie. Al says Bo did it ... Who did it?", "reasoning"), ("We can open a shop in Lyon or in Nantes, the numbers are below. Which and why?", "reasoning"),
    ("If no poets are rich and some teachers are poets, what follows?", "reasoning"), ("Lay out a step-by-step plan for merging two companies' IT, with risks.", "reasoning"),
    ("Mia has a red hat, Lou sits next to the green one. Which hat has Ed?", "reasoning"), ("a sonnet on rust, please", "creative"), ("I need a catchy claim for my yoga studio", "creative"),
    ("invent a fairy tale for my daughter, with a fox", "creative"), ("write a wedding speech for my brother", "creative"), ("a short scary tale, 100 words", "creative"),
    ("heya, you ok?", "conversation"), ("ugh, mondays", "conversation"), ("so glad to talk to you", "conversation"), ("are you a bot", "conversation"), ("thx, bye for now", "conversation"),
    ("switch off the heating at ten", "other"), ("xkcd zzz 99", "other"), ("what's for dinner? I have rice and peas", "other"), ("wake me at six", "other"), ("order two pizzas", "other"),
]


def length(text: str) -> int:
    """Tokens of an answer, at four bytes each."""
    return max(1, (len(text.encode("utf-8")) + 3) // 4)


def _jsonl(file: Path) -> list[dict]:
    return [json.loads(line) for line in file.open(encoding="utf-8")]


def generate(folder: Path, each: int, seed: int) -> list[dict]:
    """`each` prompts of every task: `prompt`, `task`, weak `soft`, `tokens` of the answer."""
    rng = random.Random(seed)
    plain = [r["text"].strip() for name in ("clinc150", "banking77", "hwu64", "snips") for r in _jsonl(folder / f"{name}.jsonl")[::17]]
    told = [r["completion"].strip() for r in _jsonl(folder / "instructions.jsonl") if r["template"].startswith("common_gen")]
    told = [t for t in told if len(t) > 25 and "\n" not in t]
    posts = [" ".join(r["tokens"]) for r in _jsonl(folder / "wnut17.jsonl")[::5]]
    commands = [r["task"].strip().rstrip(".:") for r in _jsonl(folder / "tldr_commands.jsonl")[::40]]
    words = ["calm", "river", "bread", "shout", "window", "dog", "run", "stage", "guitar", "crowd", "ball", "field", "boat", "paint", "child"]

    def of(kind):
        if kind == "short":
            return rng.choice(SHORT)
        if kind == "plain":
            return rng.choice(plain)
        if kind == "long":
            return "\n\n".join(rng.sample(PASSAGES, rng.randint(2, 4)))
        sentences = rng.choice(PASSAGES).split(". ")
        start = rng.randrange(len(sentences))
        return rng.choice([". ".join(sentences[start:start + rng.randint(1, 5)]), rng.choice(posts), rng.choice(told),
                           ". ".join(rng.sample(told, rng.randint(2, 6))), " ".join(rng.sample(plain, 2))])

    out = {}
    for task, (whole, kinds, soft, tokens) in WORK.items():
        made = 0
        while made < each:
            labels, fact, pair = rng.choice(LABELS), rng.choice(FACTS), rng.choice(CHOICES)
            labels = rng.sample(labels, len(labels))
            text, program = of(rng.choice(kinds or ("short",))), rng.choice(PROGRAMS)
            fill = {
                "text": text, "text2": of("short"), "label": labels[0], "labels": ", ".join(labels), "labels_or": ", ".join(labels[:-1]) + " or " + labels[-1],
                "fields": rng.choice(FIELDS), "fact": fact, "fact_low": fact[0].lower() + fact[1:], "thing": rng.choice(THINGS), "style": rng.choice(STYLES),
                "language": rng.choice(LANGUAGES), "foreign": rng.choice(FOREIGN), "word": rng.choice(words), "lang": rng.choice(CODE_LANGUAGES),
                "program": program, "verb_program": program.replace("s ", " ", 1), "snippet": rng.choice(SNIPPETS), "error": rng.choice(ERRORS),
                "command": rng.choice(commands), "sum": rng.choice(SUMS), "equation": rng.choice(EQUATIONS), "story": rng.choice(STORIES),
                "n": rng.randint(2, 20), "n2": rng.randint(21, 90), "n3": rng.randint(2, 12), "puzzle": rng.choice(PUZZLES), "choice_a": pair[0], "choice_b": pair[1],
                "aim": rng.choice(AIMS), "topic": rng.choice(TOPICS), "words3": ", ".join(rng.sample(words, 3)), "greet": rng.choice(GREET),
                "plain": rng.choice(plain), "name": rng.choice(["Ana", "Priya", "Tom", "Mrs. Okafor", "Jonas", "the neighbours", "my boss"]),
            }
            form = rng.choice(whole) if rng.random() < 0.4 else phrases.phrase(task, rng)
            prompt = form.format(**fill)
            before, after = (rng.choice(BEFORE), rng.choice(AFTER)) if task not in ("conversation", "other") else ("", "")
            if rng.random() < 0.15:
                prompt = prompt[0].lower() + prompt[1:]
            if rng.random() < 0.1:
                prompt = prompt.rstrip(".?!")
            expected = length(text) if tokens is None else tokens
            if "{command}" in form or "[todo]" in form:
                expected = 15
            if "one line" in prompt or "one word" in prompt.lower():
                expected = min(expected, 20)
            row = {"prompt": before + prompt + after, "task": task, "soft": soft, "tokens": expected}
            made += row["prompt"] not in out or task in ("conversation", "maths", "other")
            out.setdefault(row["prompt"], row)
    return list(out.values())


def answered_by_set(folder: Path, each: int) -> dict[str, list[dict]]:
    """Prompts of open sets whose reference answer tells the length (and whose set tells the task), evenly picked."""
    pick = lambda rows: rows[:: max(1, len(rows) // each)][:each]
    row = lambda prompt, task, answer: {"prompt": prompt, "task": task, "tokens": length(answer)}
    out = {"gsm8k": [row(r["question"], "maths", r["answer"]) for r in pick(_jsonl(folder / "gsm8k_train.jsonl"))],
           "tldr": [row(r["task"], "code", r["command"]) for r in pick(_jsonl(folder / "tldr_commands.jsonl"))]}
    tasks = {"quarel": "question_answering", "quartz": "question_answering", "cosmos_qa": "question_answering", "common_gen": "creative"}
    rows = _jsonl(folder / "instructions.jsonl")
    for name, task in tasks.items():
        out[name] = [row(r["prompt"], task, r["completion"]) for r in pick([r for r in rows if r["template"].startswith(name)])]
    return out


def answered(folder: Path, each: int) -> list[dict]:
    """The same in one list."""
    return [row for rows in answered_by_set(folder, each).values() for row in rows]
