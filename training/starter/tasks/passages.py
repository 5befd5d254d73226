"""Reading: questions about a short passage, its main sentence, and multiple choice with the options in the prompt.

Passages are put together from facts about entities: each fact has sentences, questions for its value, questions for its
entity and yes/no questions.  {e} is the entity (subject or with 's), {v} the value.
"""

import re
from functools import lru_cache

import wordings as W

from .text import (chance, first_upper, held_out_text, invented, lines, person, pick, read, rows, single, split, value, written)

NOT_SAID = "The passage does not say."


def words(text):
    return [part.strip() for part in text.replace("\n", " ").split(",") if part.strip()]


VOCABULARY = {
    "hobby": words("painting, fishing, chess, gardening, swimming, photography, hiking, knitting, baking, dancing, cycling, sailing, pottery, archery, rowing, bird watching, karate, yoga, stamp collecting, rock climbing, skating, woodwork, juggling, running, horse riding, surfing"),
    "pet": words("a parrot, a grey cat, two dogs, a rabbit, a turtle, three hens, a goldfish, a hamster, a pony, a white mouse, a black dog, a lizard, two canaries, a goat, a beagle, an old horse, a kitten, a snake"),
    "food": words("tomato soup, fried fish, apple pie, noodles, mushroom risotto, roast chicken, pancakes, lentil stew, cheese toast, rice pudding, potato salad, grilled corn, vegetable curry, lemon cake, dumplings, beef stew, spinach pie, plum jam"),
    "instrument": words("the piano, the violin, the drums, the flute, the guitar, the cello, the trumpet, the harp, the accordion, the clarinet, the banjo, the saxophone, the organ, the oboe"),
    "vehicle": words("a red van, a bicycle, the bus, the tram, a motorbike, the early train, a scooter, an old pickup, a small electric car, a taxi, the ferry, the underground, a blue hatchback"),
    "subject": words("history, chemistry, law, music, biology, nursing, economics, architecture, physics, geography, medicine, philosophy, marine science, graphic design, mathematics, literature, engineering"),
    "dream": words("open a bakery, sail around the world, write a novel, learn Japanese, build a cabin, run a marathon, visit Iceland, become a pilot, buy a farm, climb a volcano, start a band, move to the coast, own a bookshop, learn to fly"),
    "goods": words("handmade candles, old books, fresh bread, garden tools, wooden toys, winter coats, used bicycles, olive oil, leather bags, flowers, board games, cheese, musical instruments, spices, running shoes, clocks, tea, ceramic bowls, honey, posters, camping gear, silk scarves, fishing rods, hats"),
    "place": words("the old mill, the town hall, the railway station, the harbour, the post office, the main square, the church, the school, the river bridge, the cinema, the park, the hospital, the fire station, the museum, the bus depot, the lighthouse, the sports hall, the bakery"),
    "room": words("the east hall, room 12, the garden room, the library, room 204, the main tent, the sports hall, the canteen, the upstairs gallery, the blue room, the old theatre, the lecture hall, room 7, the courtyard, the conference centre, the school gym"),
    "material": words("bamboo, steel, oak, recycled plastic, wool, glass, leather, cotton, aluminium, copper, pine, rubber, linen, clay, carbon fibre, cork, felt, brass"),
    "weight": [f"{n} grams" for n in range(120, 980, 35)] + [f"{n} kilograms" for n in range(2, 60)],
    "length": [f"{n} metres" for n in range(2, 90)] + [f"{n} centimetres" for n in range(20, 190, 5)],
    "distance": [f"{n} kilometres" for n in range(4, 900, 7)],
    "minutes": [f"{n} minutes" for n in range(10, 95, 5)],
    "hours": [f"{n} hours" for n in range(2, 15)],
    "days": [f"{n} days" for n in range(3, 30)],
    "years": [f"{n} years" for n in range(2, 13)],
    "year": [str(n) for n in range(1890, 2026)],
    "count": [str(n) for n in range(6, 400)],
    "price": [f"${n}" for n in range(3, 900)] + [f"{n} euros" for n in range(3, 300)] + [f"${n}.50" for n in range(2, 60)],
    "day": [f"{month} {n}" for month in W.MONTHS for n in range(1, 29)] + [f"{n} {month}" for month in W.MONTHS for n in range(1, 29)],
    "clock": [f"{h}:{m:02d}" for h in range(6, 23) for m in range(0, 60, 5)] + [f"{h} am" for h in range(6, 12)] + [f"{h} pm" for h in range(1, 12)],
    "habitat": words("dry forests, shallow lakes, the high mountains, coral reefs, swamps, grassy plains, river banks, sandy deserts, caves, the northern coast, bamboo thickets, cold streams, mangrove forests, salt marshes"),
    "prey": words("beetles, small fish, seeds, fallen fruit, leaves, snails, worms, berries, moss, tree bark, ants, frogs, nectar, roots, nuts, crabs, grass, mushrooms"),
    "season": words("spring, summer, autumn, winter, early spring, late summer, the rainy season, the dry season"),
    "threat": words("foxes, hawks, snakes, owls, large cats, crocodiles, wild dogs, eagles, otters, sharks, wolves"),
    "trait": words("its striped tail, its loud call, its long ears, its bright orange beak, its blue feet, its thick fur, its curved claws, its spotted back, its huge eyes, its golden mane, its flat nose, its whistling song"),
    "weather": words("rainy, sunny, foggy, windy, snowy, cloudy, very hot, mild, stormy, icy, cold and clear, misty"),
    "topic": words("the summer budget, the new website, parking rules, the office move, holiday plans, the customer survey, next year's prices, the safety training, the delivery delays, hiring plans, the spring catalogue, the broken lift, energy costs, the staff party, the data backup, the new logo, opening hours, the supplier contract"),
    "decision": words("hire two more drivers, delay the launch, buy new chairs, close the office on Fridays, change the supplier, repaint the entrance, cut travel costs, test the plan in June, print fewer leaflets, rent a larger hall, order new laptops, keep the old name, move the stall, extend the contract, raise prices by five percent"),
    "task": words("write the report, book the hotel, call the supplier, order the badges, check the invoices, update the website, prepare the slides, invite the guests, fix the printer, collect the keys, count the stock, send the letters, draw the plan, test the app, water the plants, clean the kitchen, find a speaker, pack the samples"),
    "industry": words("solar panels, furniture, software for schools, electric bikes, frozen meals, medical devices, toys, water filters, cargo ships, packaging, sports shoes, mobile games, garden robots, hearing aids, wind turbines, organic paint, kitchen knives, travel guides"),
    "problem": words("a torn label, a flat tyre, heavy snow, a missing signature, a wrong postcode, a strike at the port, a lost key, a customs check, a broken lift, a road closure, a computer failure, a blocked driveway"),
    "sight": words("the castle, a glass factory, the waterfall, the botanical garden, an old monastery, the fish market, the salt mine, the bell tower, a vineyard, the puppet museum, the lava fields, the royal stables, the cliffs, the floating village"),
    "lodging": words("a small inn, a tent, a youth hostel, a lakeside hotel, a farmhouse, a mountain hut, a rented flat, a houseboat, a guest house, a wooden cabin, a friend's house, a caravan"),
    "act": words("a brass band, a magician, a jazz trio, a children's choir, a famous chef, a puppet theatre, a poet, a folk group, a dance school, a rock band, a storyteller, a string quartet"),
    "container": words("a blue crate, a padded envelope, a large box, a wooden chest, a plastic tub, a metal case, a paper bag, a green suitcase, a cardboard tube, a cool box, two sacks, a small tin"),
    "material_of": words("tools, books, plates, medicine, fresh flowers, shoes, spare parts, wine, seeds, paint, toys, lamps, cables, documents, coffee beans, a clock, a mirror, two chairs, blankets, apples"),
    "feature": words("a built-in torch, a folding handle, two side pockets, a solar charger, a touch screen, a washable cover, a quiet motor, a safety lock, a spare blade, a voice control, a clear lid, a timer, a magnetic clip, a rain cover"),
    "genre": words("a detective story, a comedy, a cookbook, a space adventure, a family drama, a ghost story, a travel diary, a war novel, a love story, a fairy tale, a history of tea, a spy thriller"),
    "jobs": W.JOBS + words("baker, carpenter, librarian, firefighter, dentist, gardener, tailor, translator, vet, mechanic, journalist, bus driver, florist, barber, electrician, painter, geologist, musician, farmer, security guard, chemist, waiter, photographer, judge, sailor"),
    "colour": W.COLORS + words("dark green, light blue, cream, gold, turquoise, beige, violet, navy blue"),
}


def surname(rng):
    return rng.choice(W.LAST_NAMES) if chance(rng, 0.6) else invented(rng).capitalize()


def place_name(rng):
    return rng.choice(W.CITIES) if chance(rng, 0.5) else invented(rng).capitalize() + rng.choice(["", "", "ton", "ville", " Bay", "field", " Hill"])


def draw_value(rng, kind):
    if kind in VOCABULARY:
        return rng.choice(VOCABULARY[kind])
    if kind == "who":
        return person(rng)
    if kind == "town":
        return place_name(rng)
    if kind == "job":
        job = rng.choice(VOCABULARY["jobs"])
        return ("an " if job[0].lower() in "aeiou" else "a ") + job
    if kind == "relative":
        return person(rng).split()[0]
    return value(rng, kind)


# name -> (entity maker, what one is called, table).  Table columns: kind, sentences, questions, reverse questions, yes/no questions.
DOMAINS = {
    "person": (person, "person", rows("""
town || {e} lives in {v}. / {e} has a flat in {v}. / {e}'s home is in {v}. / {e} moved to {v} last year. || Where does {e} live? / In which town does {e} live? / What town does {e} live in? / What is {e}'s home town now? / Where is {e}'s home? || Who lives in {v}? / Which person lives in {v}? / Whose home is in {v}? || Does {e} live in {v}? / Is {e}'s home in {v}? / Is {v} the place where {e} lives?
job || {e} works as {v}. / {e} is {v}. / {e} earns a living as {v}. / {e} has a job as {v}. || What is {e}'s job? / What does {e} do for a living? / What does {e} work as? / What is the profession of {e}? / What kind of work does {e} do? || Who works as {v}? / Who is {v}? / Which person has a job as {v}? || Does {e} work as {v}? / Is {e} {v}? / Is it true that {e} works as {v}?
hobby || {e}'s favourite hobby is {v}. / {e} loves {v}. / {e} spends weekends on {v}. / In the evenings {e} enjoys {v}. || What is {e}'s hobby? / What does {e} love to do? / Which hobby does {e} have? / What does {e} do for fun? / How does {e} spend free time? || Who loves {v}? / Who enjoys {v}? / Whose hobby is {v}? || Does {e} enjoy {v}? / Is {v} {e}'s hobby? / Does {e} do {v} for fun?
pet || {e} has {v}. / {e} keeps {v} at home. / {e} takes care of {v}. / {e} owns {v}. || What pet does {e} have? / Which animals does {e} keep? / What animal does {e} own? / What does {e} keep at home? / What kind of pet does {e} take care of? || Who has {v}? / Who owns {v}? / Which person keeps {v}? || Does {e} have {v}? / Does {e} own {v}? / Is it true that {e} keeps {v}?
food || {e} likes {v} best. / {e}'s favourite dish is {v}. / {e} eats {v} every Sunday. / {e} often cooks {v}. || What is {e}'s favourite food? / What food does {e} like? / Which dish does {e} like best? / What does {e} eat often? / What does {e} like to eat? || Who likes {v}? / Whose favourite food is {v}? / Which person eats {v}? || Does {e} like {v}? / Is {v} what {e} likes to eat? / Does {e} eat {v}?
instrument || {e} plays {v}. / {e} has been learning {v} since childhood. / {e} is learning {v}. / {e} practises {v} every day. || Which instrument does {e} play? / What instrument is {e} learning? / What does {e} play? / Which musical instrument does {e} practise? || Who plays {v}? / Who is learning {v}? / Which person plays {v}? || Does {e} play {v}? / Is {e} learning {v}? / Can {e} play {v}?
vehicle || {e} goes to work by {v}. / {e} travels to town in {v}. / Every morning {e} takes {v}. || How does {e} travel? / What does {e} use to get around? / What does {e} take to go to work? / How does {e} get to work? || Who travels by {v}? / Who uses {v}? || Does {e} take {v}? / Does {e} travel by {v}? / Does {e} use {v}?
subject || {e} studied {v} at university. / {e} has a degree in {v}. / At college {e} studied {v}. / {e} learned {v} at college. || What did {e} study? / Which subject did {e} study? / What is {e}'s degree in? / What did {e} learn at university? || Who studied {v}? / Who has a degree in {v}? / Which person learned {v}? || Did {e} study {v}? / Does {e} have a degree in {v}? / Is {v} what {e} studied?
dream || {e} dreams of the day to {v}. / One day {e} wants to {v}. / {e} hopes to {v} soon. / {e} plans to {v}. || What does {e} want to do? / What is {e}'s dream? / What does {e} hope to do? / What is {e} planning to do? || Who wants to {v}? / Who hopes to {v}? / Which person plans to {v}? || Does {e} want to {v}? / Does {e} hope to {v}? / Is it {e}'s plan to {v}?
age || {e} is {v} years old. / {e} turned {v} in May. / {e}'s age is {v}. || How old is {e}? / What is {e}'s age? / What age is {e}? / How many years old is {e}? || Who is {v} years old? / Who is {v}? || Is {e} {v} years old? / Is {e}'s age {v}? / Has {e} turned {v}?
relative || {e} is married to {v}. / {e}'s sister is called {v}. / {e} shares a house with {v}. / {e}'s best friend is {v}. || Which person is close to {e}? / Who is mentioned together with {e}? ||  || 
""")),
    "shop": (lambda rng: rng.choice([f"{surname(rng)}'s", f"the {rng.choice(W.COLORS).capitalize()} {rng.choice(['Door', 'Lamp', 'Cat', 'Barn', 'Corner', 'Anchor', 'Kettle', 'Basket'])}", f"{invented(rng).capitalize()} {rng.choice(['Store', 'Market', 'Corner', 'House'])}", f"{surname(rng)} & {surname(rng)}"]), "shop", rows("""
goods || {e} sells {v}. / {e} is known for {v}. / People go to {e} for {v}. / {e} offers {v}. || What does {e} sell? / What can you buy at {e}? / What is {e} known for? / Which goods does {e} offer? || Which shop sells {v}? / Where can you buy {v}? / Which shop is known for {v}? || Does {e} sell {v}? / Can you buy {v} at {e}? / Does {e} offer {v}?
place || {e} is next to {v}. / {e} stands across from {v}. / {e} is right behind {v}. / You find {e} near {v}. || Where is {e}? / What is {e} near? / What is next to {e}? / Where can you find {e}? || Which shop is near {v}? / What shop is close to {v}? / Which shop do you find by {v}? || Is {e} near {v}? / Is {e} close to {v}? / Is {v} near {e}?
clock || {e} opens at {v}. / The doors of {e} open at {v}. / {e} starts its day at {v}. || When does {e} open? / At what time does {e} open? / What is the opening time of {e}? / From what time is {e} open? || Which shop opens at {v}? / What opens at {v}? || Does {e} open at {v}? / Is {e} open from {v}? / Is {v} the opening time of {e}?
who || {e} is owned by {v}. / The owner of {e} is {v}. / {e} belongs to {v}. / {e} is run by {v}. || Who owns {e}? / Who is the owner of {e}? / Who runs {e}? / To whom does {e} belong? || Which shop does {v} own? / What shop belongs to {v}? / What does {v} run? || Does {v} own {e}? / Is {v} the owner of {e}? / Is {e} run by {v}?
weekday || {e} is closed on {v}. / On {v} {e} stays closed. / The closing day of {e} is {v}. || On which day is {e} closed? / When is {e} closed? / What day does {e} not open? / Which day is the closing day of {e}? || Which shop is closed on {v}? / What shop does not open on {v}? || Is {e} closed on {v}? / Does {e} stay closed on {v}? / Is {v} the closing day of {e}?
year || {e} opened in {v}. / {e} was founded in {v}. / {e} has been there since {v}. || When was {e} founded? / In what year did {e} open? / Since when has {e} existed? / In which year was {e} founded? || Which shop was founded in {v}? / What shop opened in {v}? || Was {e} founded in {v}? / Did {e} open in {v}?
""")),
    "event": (lambda rng: f"the {rng.choice([place_name(rng), rng.choice(['Spring', 'Summer', 'Harvest', 'Winter', 'Lantern', 'River', 'Student', 'Family'])])} {rng.choice(['Festival', 'Fair', 'Concert', 'Market', 'Book Day', 'Run', 'Film Night', 'Workshop', 'Science Day', 'Dinner', 'Flower Show', 'Chess Cup'])}", "event", rows("""
day || {e} takes place on {v}. / {e} is on {v}. / {e} starts on {v}. / {v} is the date of {e}. || When is {e}? / On what date does {e} take place? / What is the date of {e}? / When does {e} take place? / Which day is {e} on? || Which event is on {v}? / What takes place on {v}? / What event starts on {v}? || Is {e} on {v}? / Does {e} take place on {v}? / Is {v} the date of {e}?
room || {e} is held in {v}. / The place for {e} is {v}. / {e} happens in {v}. / Visitors to {e} meet in {v}. || Where is {e} held? / Where does {e} happen? / What is the venue of {e}? / In which place is {e}? || Which event is held in {v}? / What happens in {v}? || Is {e} held in {v}? / Does {e} happen in {v}? / Is {v} the venue of {e}?
price || A ticket for {e} costs {v}. / Entry to {e} is {v}. / {e} costs {v} per person. / Visitors pay {v} for {e}. || How much does {e} cost? / What does a ticket for {e} cost? / What is the price of {e}? / How much is entry to {e}? || Which event costs {v}? / What event has tickets for {v}? || Does {e} cost {v}? / Is entry to {e} {v}? / Is {v} the ticket price of {e}?
who || {e} is organised by {v}. / {v} is in charge of {e}. / {e} was planned by {v}. / The organiser of {e} is {v}. || Who organises {e}? / Who is in charge of {e}? / Who planned {e}? / Who is the organiser of {e}? || What does {v} organise? / Which event is {v} in charge of? / Which event did {v} plan? || Is {v} in charge of {e}? / Does {v} organise {e}? / Was {e} planned by {v}?
act || The main act of {e} is {v}. / {e} ends with {v}. / {e} features {v}. / Guests at {e} will see {v}. || Who performs at {e}? / What is the main act of {e}? / What does {e} feature? / What will guests see at {e}? || Which event features {v}? / Where does {v} perform? || Does {e} feature {v}? / Will guests at {e} see {v}?
count || {e} has space for {v} guests. / About {v} people come to {e}. / {e} drew {v} visitors last time. || How many people come to {e}? / How many guests does {e} have? / How many visitors are there at {e}? || Which event has {v} guests? / Which event has {v} visitors? || Does {e} have {v} guests? / Are there {v} visitors at {e}?
clock || {e} begins at {v}. / Doors for {e} open at {v}. / {e} starts at {v}. || What time does {e} start? / At what time does {e} begin? / When do the doors of {e} open? / What is the starting time of {e}? || Which event begins at {v}? / What starts at {v}? || Does {e} begin at {v}? / Is {v} the starting time of {e}?
""")),
    "product": (lambda rng: f"the {invented(rng).capitalize()}{rng.choice(['', ' ' + str(rng.randint(2, 900)), ' Pro', ' Mini', ' Plus'])} {rng.choice(W.PRODUCTS[:36])}", "product", rows("""
price || {e} costs {v}. / The price of {e} is {v}. / You can buy {e} for {v}. / Shops sell {e} for {v}. || How much does {e} cost? / What is the price of {e}? / What does {e} cost? / For how much is {e} sold? || Which product costs {v}? / What can you buy for {v}? / What is sold for {v}? || Does {e} cost {v}? / Is {v} the price of {e}? / Is {e} sold for {v}?
material || {e} is made of {v}. / The body of {e} is {v}. / {e} has a case of {v}. || What is {e} made of? / Which material is used for {e}? / What material is {e}? / What is {e} built from? || Which product is made of {v}? / What is made of {v}? || Is {e} made of {v}? / Is {v} the material of {e}?
weight || {e} weighs {v}. / The weight of {e} is {v}. / {e} has a weight of {v}. || How much does {e} weigh? / What is the weight of {e}? / How heavy is {e}? || Which product weighs {v}? / What weighs {v}? || Does {e} weigh {v}? / Is the weight of {e} {v}?
colour || {e} comes in {v}. / {e} is {v}. / The colour of {e} is {v}. / {e} is sold only in {v}. || What colour is {e}? / In which colour does {e} come? / What is the colour of {e}? / Which colour does {e} have? || Which product is {v}? / What comes in {v}? || Is {e} {v}? / Does {e} come in {v}?
years || {e} has a warranty of {v}. / The maker of {e} gives {v} of warranty. / {e} is covered for {v}. || How long is the warranty of {e}? / How long is {e} covered? / What warranty does {e} have? / For how long does {e} have a warranty? || Which product has a warranty of {v}? / What is covered for {v}? || Does {e} have {v} of warranty? / Is {e} covered for {v}?
feature || {e} has {v}. / {e} comes with {v}. / A special feature of {e} is {v}. / Buyers of {e} get {v}. || What does {e} come with? / What is a feature of {e}? / Which special feature does {e} have? / What extra does {e} have? || Which product has {v}? / What comes with {v}? || Does {e} have {v}? / Does {e} come with {v}?
company || {e} is made by {v}. / {v} produces {e}. / The maker of {e} is {v}. || Who makes {e}? / Which company makes {e}? / Which firm produces {e}? / Who is the maker of {e}? || Which product does {v} make? / What is made by {v}? || Is {e} made by {v}? / Does {v} produce {e}?
""")),
    "trip": (lambda rng: f"{rng.choice(W.FIRST_NAMES)}'s trip to {place_name(rng)}", "trip", rows("""
days || {e} lasted {v}. / {e} took {v}. / In all {e} was {v} long. || How long did {e} last? / How long was {e}? / How many days did {e} take? / What was the length of {e}? || Which trip lasted {v}? / What took {v}? || Did {e} last {v}? / Was {e} {v} long?
month || {e} was in {v}. / {e} began in {v}. / {v} was the month of {e}. || When was {e}? / In which month was {e}? / What month did {e} begin? || Which trip was in {v}? / What began in {v}? || Was {e} in {v}? / Did {e} begin in {v}?
sight || The best part of {e} was {v}. / {e} included a visit to {v}. / A highlight of {e} was {v}. / {e} led past {v}. || What was the best part of {e}? / What was visited on {e}? / What was a highlight of {e}? / Which sight was part of {e}? || Which trip included {v}? / On which trip was {v} visited? || Did {e} include {v}? / Was {v} part of {e}?
lodging || During {e} the group slept in {v}. / The nights of {e} were spent in {v}. / For {e} they had booked {v}. || Where did they sleep on {e}? / Where were the nights of {e} spent? / Which lodging was used for {e}? / What was booked for {e}? || On which trip did they sleep in {v}? / For which trip was {v} used? || Did they sleep in {v} on {e}? / Was {v} used for {e}?
price || {e} cost {v}. / The price of {e} was {v}. / All of {e} was paid with {v}. || How much did {e} cost? / What was the price of {e}? / What did {e} cost? || Which trip cost {v}? / What cost {v}? || Did {e} cost {v}? / Was {v} the price of {e}?
weather || The weather on {e} was {v}. / It was {v} during {e}. / Most of {e} was {v}. || What was the weather like on {e}? / How was the weather during {e}? / What kind of weather did {e} have? || Which trip had {v} weather? / On which trip was it {v}? || Was it {v} on {e}? / Was the weather {v} during {e}?
distance || {e} covered {v}. / {e} was {v} long. / They travelled {v} on {e}. || How far was {e}? / What distance did {e} cover? / How far did they travel on {e}? || Which trip covered {v}? / Which trip was {v} long? || Did {e} cover {v}? / Was {e} {v} long?
""")),
    "company": (lambda rng: value(rng, "company"), "company", rows("""
industry || {e} makes {v}. / {e} produces {v}. / The business of {e} is {v}. / Customers know {e} for {v}. || What does {e} make? / What does {e} produce? / What is the business of {e}? / What is {e} known for? || Which company makes {v}? / Who produces {v}? / Which firm is known for {v}? || Does {e} make {v}? / Does {e} produce {v}?
town || {e} is based in {v}. / The head office of {e} is in {v}. / {e} has its headquarters in {v}. / {e} works out of {v}. || Where is {e} based? / In which city is {e}? / Where is the head office of {e}? / Where are the headquarters of {e}? || Which company is based in {v}? / Who has an office in {v}? || Is {e} based in {v}? / Is the head office of {e} in {v}?
count || {e} has {v} employees. / {v} people work for {e}. / {e} employs {v} people. || How many employees does {e} have? / How many people work for {e}? / How many people does {e} employ? || Which company has {v} employees? / Who employs {v} people? || Does {e} have {v} employees? / Do {v} people work for {e}?
who || {e} is led by {v}. / The head of {e} is {v}. / {v} runs {e}. / {e}'s director is {v}. || Who leads {e}? / Who is the head of {e}? / Who runs {e}? / Who is the director of {e}? || Which company does {v} lead? / What does {v} run? || Is {v} the head of {e}? / Does {v} run {e}?
year || {e} was founded in {v}. / {e} started in {v}. / {e} was set up in {v}. || When was {e} founded? / In what year did {e} start? / In which year was {e} set up? || Which company was founded in {v}? / Which firm started in {v}? || Was {e} founded in {v}? / Did {e} start in {v}?
country || {e} sells most of its goods in {v}. / The biggest market of {e} is {v}. / Last year {e} opened a branch in {v}. || Which country is important for {e}? / In which country is {e} active? / Which country is mentioned for {e}? || Which company is active in {v}? || Is {e} active in {v}?
""")),
    "animal": (lambda rng: "the " + rng.choice(["", rng.choice(W.COLORS) + " ", "dwarf ", "mountain ", "river ", "common "]) + invented(rng) + rng.choice(["", "", " frog", " bird", " deer", " fox", " fish", " lizard", " monkey", " bat"]), "animal", rows("""
habitat || {e} lives in {v}. / The home of {e} is {v}. / {e} is found in {v}. / You can see {e} in {v}. || Where does {e} live? / What is the habitat of {e}? / Where is {e} found? / Where can you see {e}? || Which animal lives in {v}? / What animal is found in {v}? || Does {e} live in {v}? / Is {e} found in {v}?
prey || {e} eats {v}. / {e} feeds on {v}. / The diet of {e} is mostly {v}. / {e} lives on {v}. || What does {e} eat? / What does {e} feed on? / What is the diet of {e}? / What is the food of {e}? || Which animal eats {v}? / What animal feeds on {v}? || Does {e} eat {v}? / Does {e} feed on {v}?
length || {e} grows to {v}. / {e} is about {v} long. / An adult of {e} measures {v}. || How long is {e}? / How big does {e} get? / What length does {e} reach? / How large is {e}? || Which animal is {v} long? / Which animal grows to {v}? || Is {e} {v} long? / Does {e} grow to {v}?
season || {e} breeds in {v}. / {e} lays eggs in {v}. / Young of {e} are born in {v}. || When does {e} breed? / In which season does {e} have young? / When are the young of {e} born? || Which animal breeds in {v}? / Which animal has young in {v}? || Does {e} breed in {v}? / Are the young of {e} born in {v}?
threat || {e} is hunted by {v}. / The main enemies of {e} are {v}. / {e} hides from {v}. / {e} fears {v}. || What hunts {e}? / Which enemies does {e} have? / What does {e} hide from? / What is dangerous for {e}? || Which animal is hunted by {v}? / What animal hides from {v}? || Is {e} hunted by {v}? / Does {e} hide from {v}?
trait || {e} is known for {v}. / People recognise {e} by {v}. / The most striking thing about {e} is {v}. || What is {e} known for? / How can you recognise {e}? / What is special about {e}? || Which animal is known for {v}? / Which animal is recognised by {v}? || Is {e} known for {v}?
years || {e} lives for {v}. / In the wild {e} reaches {v}. / The life of {e} lasts {v}. || How long does {e} live? / What age does {e} reach? / How old does {e} get? || Which animal lives for {v}? / Which animal reaches {v}? || Does {e} live for {v}?
""")),
    "delivery": (lambda rng: rng.choice([f"order {value(rng, 'order')}", f"the parcel for {person(rng)}", f"shipment {value(rng, 'order')}", f"the package from {surname(rng)}"]), "delivery", rows("""
material_of || {e} contains {v}. / Inside {e} are {v}. / {e} holds {v}. / The content of {e} is {v}. || What is in {e}? / What does {e} contain? / What is the content of {e}? / What does {e} hold? || Which delivery contains {v}? / What holds {v}? || Does {e} contain {v}? / Is it true that {e} holds {v}?
day || {e} arrives on {v}. / {e} will be delivered on {v}. / The delivery date of {e} is {v}. / Expect {e} on {v}. || When does {e} arrive? / On what date will {e} be delivered? / When should {e} come? / What is the delivery date of {e}? || What arrives on {v}? / Which delivery comes on {v}? || Does {e} arrive on {v}? / Will {e} be delivered on {v}?
town || {e} was sent from {v}. / {e} left {v} by truck. / {e} comes from {v}. || Where was {e} sent from? / Where does {e} come from? / From which town was {e} sent? || What was sent from {v}? / Which delivery comes from {v}? || Was {e} sent from {v}? / Does {e} come from {v}?
container || {e} is packed in {v}. / {e} comes in {v}. / {e} was put in {v}. || What is {e} packed in? / How is {e} packed? / What does {e} come in? || What is packed in {v}? / Which delivery comes in {v}? || Is {e} packed in {v}? / Does {e} come in {v}?
problem || {e} was delayed by {v}. / Because of {v} {e} is late. / There was trouble with {e}: {v}. || What delayed {e}? / Why is {e} late? / What was the problem with {e}? || What was delayed by {v}? / Which delivery is late because of {v}? || Was {e} delayed by {v}? / Is {e} late because of {v}?
who || {v} signed for {e}. / {e} was accepted by {v}. / The driver of {e} is {v}. / {e} is handled by {v}. || Who is responsible for {e}? / Who dealt with {e}? / Which person is named for {e}? || Which delivery does {v} have to do with? ||
weight || {e} weighs {v}. / The weight of {e} is {v}. / On the scale {e} showed {v}. || How much does {e} weigh? / What is the weight of {e}? / How heavy is {e}? || Which delivery weighs {v}? / What weighs {v}? || Does {e} weigh {v}? / Is {v} the weight of {e}?
""")),
    "meeting": (lambda rng: f"the {rng.choice(['team', 'board', 'sales', 'parents', 'project', 'design', 'club', 'staff', 'budget', 'safety', 'planning', 'council'])} {rng.choice(['meeting', 'call', 'session'])}", "meeting", rows("""
topic || {e} was about {v}. / The topic of {e} was {v}. / {e} dealt with {v}. / People at {e} talked about {v}. || What was {e} about? / What was the topic of {e}? / What did people talk about at {e}? / What did {e} deal with? || Which meeting was about {v}? / Where did people talk about {v}? || Was {e} about {v}? / Did {e} deal with {v}?
decision || At {e} it was decided to {v}. / {e} ended with a plan to {v}. / The result of {e} was the decision to {v}. / {e} agreed to {v}. || What was decided at {e}? / What was the result of {e}? / What did {e} agree to do? / How did {e} end? || Which meeting decided to {v}? / Where was it agreed to {v}? || Did {e} decide to {v}? / Was it agreed at {e} to {v}?
clock || {e} started at {v}. / {e} began at {v}. / {v} was the start of {e}. || When did {e} start? / What time did {e} begin? / At what time was {e}? || Which meeting started at {v}? / What began at {v}? || Did {e} start at {v}? / Did {e} begin at {v}?
minutes || {e} lasted {v}. / {e} took {v}. / After {v} {e} was over. || How long did {e} last? / How long was {e}? / How much time did {e} take? || Which meeting lasted {v}? / What took {v}? || Did {e} last {v}? / Did {e} take {v}?
who || {v} led {e}. / {e} was chaired by {v}. / {e} was led by {v}. || Who led {e}? / Who chaired {e}? / Who was the chair of {e}? || Which meeting did {v} lead? / What did {v} chair? || Did {v} lead {e}? / Was {e} chaired by {v}?
room || {e} was in {v}. / {e} took place in {v}. / For {e} they had booked {v}. || Where was {e}? / Where did {e} take place? / In which place was {e}? || Which meeting was in {v}? / What took place in {v}? || Was {e} in {v}? / Did {e} take place in {v}?
weekday || {e} was on {v}. / They held {e} on {v}. / {e} happened on {v}. || On which day was {e}? / What day was {e} held? / Which weekday was {e} on? || Which meeting was on {v}? || Was {e} on {v}? / Was {e} held on {v}?
""")),
    "duty": (lambda rng: person(rng).split()[0], "person", rows("""
task || {e} has to {v}. / {e} promised to {v}. / {e} will {v}. / It is {e}'s job to {v}. || What does {e} have to do? / What did {e} promise to do? / What is {e}'s task? / What will {e} do? || Who has to {v}? / Who will {v}? / Whose task is it to {v}? || Does {e} have to {v}? / Will {e} {v}? / Is it {e}'s task to {v}?
weekday || {e} is free on {v}. / {e} has time on {v}. / {e} has no work on {v}. || When is {e} free? / On which day is {e} free? / Which day does {e} have time? || Who is free on {v}? / Who has time on {v}? || Is {e} free on {v}? / Does {e} have time on {v}?
product || {e} brings a {v}. / {e} needs a new {v}. / {e} bought a {v}. || Which item is mentioned with {e}? / Which thing does {e} bring, need or buy? ||  ||
price || {e} paid {v}. / {e} spent {v} in all. / {e} was charged {v}. || How much did {e} pay? / How much did {e} spend? / What did {e} have to pay? || Who paid {v}? / Who spent {v}? || Did {e} pay {v}? / Did {e} spend {v}?
clock || {e} arrives at {v}. / {e} gets there at {v}. / {e} comes at {v}. || When does {e} arrive? / At what time does {e} come? / What time does {e} get there? || Who arrives at {v}? / Who comes at {v}? || Does {e} arrive at {v}? / Does {e} come at {v}?
colour || {e} wears a {v} coat. / {e} has a {v} bag. / {e} chose the {v} shirt. || What colour is the thing {e} has? / Which colour goes with {e}? ||  ||
""")),
    "book": (lambda rng: '"' + rng.choice(["The ", "A ", ""]) + rng.choice(["Silent", "Last", "Golden", "Hidden", "Second", "Broken", "Long", "Paper", "Winter", "Glass", "Blue", "Empty"]) + " " + rng.choice(["Garden", "River", "Letter", "Door", "Island", "Clock", "Road", "Song", "Harbour", "Mirror", "Orchard", "Train", invented(rng).capitalize()]) + '"', "book or film", rows("""
who || {e} was written by {v}. / The author of {e} is {v}. / {v} wrote {e}. || Who wrote {e}? / Who is the author of {e}? / By whom was {e} written? || What did {v} write? / Which title is by {v}? || Did {v} write {e}? / Is {v} the author of {e}?
genre || {e} is {v}. / Critics call {e} {v}. / {e} can be described as {v}. || What kind of story is {e}? / What is {e}? / How do people describe {e}? || Which title is {v}? || Is {e} {v}?
year || {e} came out in {v}. / {e} was published in {v}. / {e} first appeared in {v}. || When did {e} come out? / In what year was {e} published? / When did {e} first appear? || Which title came out in {v}? / What was published in {v}? || Did {e} come out in {v}? / Was {e} published in {v}?
town || {e} is set in {v}. / The story of {e} happens in {v}. / {e} plays in {v}. || Where is {e} set? / Where does {e} happen? / In which place does {e} play? || Which title is set in {v}? / Which story happens in {v}? || Is {e} set in {v}? / Does {e} happen in {v}?
count || {e} has {v} pages. / The text of {e} fills {v} pages. / Readers of {e} turn {v} pages. || How many pages does {e} have? / How long is {e} in pages? || Which title has {v} pages? || Does {e} have {v} pages?
job || The hero of {e} is {v}. / {e} tells of {v}. / {e} follows the life of {v}. || Who is the hero of {e}? / Who is {e} about? / Whose life does {e} follow? || Which title is about {v}? / Which story follows the life of {v}? || Is the hero of {e} {v}? / Is {e} about {v}?
""")),
}

ASIDES = lines("""
The sky was clear that morning.
Nobody was surprised by the news.
There is more to say about this, but not today.
Most people in the area agree.
It was a quiet week.
Some details are still open.
The local paper wrote about it.
That has not changed for a long time.
Many visitors ask about this.
Others have a different opinion.
The notes were written in a hurry.
A list hangs on the wall near the entrance.
Everyone seemed to be in a good mood.
More news will follow soon.
It had rained the night before.
The coffee was hot and strong.
Several neighbours came to look.
The photos turned out well.
Not everything went as planned.
The phone rang twice.
For some this was a good sign.
It is not the first time.
A few people were late.
There were questions at the end.
""")

# {p} passage, {q} question.
ASK = lines("""
{p}\\n\\nQuestion: {q}
{p}\\n\\n{q}
{p}\\nQuestion: {q}\\nAnswer:
Passage: {p}\\n\\nQuestion: {q}\\nAnswer:
Read the passage and answer the question.\\n\\n{p}\\n\\n{q}
Answer the question using the text below.\\nText: {p}\\nQuestion: {q}
Question: {q}\\n\\nText: {p}
Text: {p}\\nQ: {q}\\nA:
Context: {p}\\nQuestion: {q}\\nAnswer with a few words from the context.
{q}\\n\\n{p}
Use the passage to answer. Keep it short.\\n\\nPassage: {p}\\n\\nQuestion: {q}
Here is a short text: {p}\\n\\nAccording to the text: {q}
Given this paragraph, answer briefly: {q}\\n\\nParagraph: {p}
"{p}"\\n\\n{q} Answer in a few words.
I have a question about this text. {q}\\n\\n{p}
Find the answer in the text.\\nText: {p}\\nQuestion: {q}\\nShort answer:
Read this: {p}\\nNow tell me: {q}
Based on the passage below, {q}\\n\\n{p}
{p}\\n\\nQ: {q} Reply with the answer only.
Passage:\\n{p}\\n\\nAnswer this question about it, copying the words from the passage: {q}
Text:\\n{p}\\n\\nPlease answer: {q}
From the following note, {q}\\n\\nNote: {p}
Look at this paragraph.\\n{p}\\n{q} Give only the answer, no full sentence.
""")
ASK_SYSTEM = lines("""
Answer questions about this text in a few words: {p}
Use only the following passage to answer the user's questions.\\n\\n{p}
You answer from the text below. Keep answers short.\\n\\nText: {p}
Context: {p}\\nAnswer briefly from the context.
Here is what you know: {p}\\nReply to each question with the answer only.
The user asks about this note: {p}\\nAnswer with words from the note.
""")
IF_ABSENT = lines("""
If the passage does not say, answer "{absent}".
If the answer is not in the text, reply {absent}.
Say "{absent}" if the text does not tell.
When the answer cannot be found, write {absent}.
If it is not mentioned, answer with "{absent}".
Reply "{absent}" if you can't find it in the passage.
""")
ABSENT = ["not stated", "unknown", "I don't know", "not in the text", "no answer", "N/A", "not mentioned", "cannot be answered",
          "The text does not say.", NOT_SAID, NOT_SAID]
YES_NO = ["", "", " Answer yes or no.", " Yes or no?", " Reply with yes or no."]

MALE = set("Ben David Felix Henry Jack Liam Noah Peter Sam Umar Walter Yusuf Bruno Chen Diego George Ivan Kofi Marco Oscar Raj Tom "
           "Victor John James Robert Michael Daniel Bob Lucas Ethan Leo Paulo Tariq Amir Carlos Omar Kevin Philip".split())


def pronouns(rng, domain, entity):
    if domain in ("person", "duty"):
        first = entity.split()[0]
        male = first in MALE if first in W.FIRST_NAMES else chance(rng, 0.5)
        return ("he", "his") if male else ("she", "her")
    return ("it", "its")


def tell(rng, sentence, entity, name, pronoun, later):
    """The sentence with {e} filled; after the first mention sometimes by a pronoun where it starts the sentence."""
    if later and chance(rng, 0.55) and sentence.startswith("{e}"):
        sentence = sentence.replace("{e}'s", pronoun[1], 1).replace("{e}", pronoun[0], 1)
    elif name != entity and later and chance(rng, 0.4):
        sentence = sentence.replace("{e}", name)
    return sentence.replace("{e}", entity).replace("the the ", "the ")


class Passage:
    """`facts`: (entity, row, value) told in `text`; `left_out`: (entity, row) not told; `others`: entities not in it."""

    def __init__(self, rng, held, domain=None):
        self.domain = domain or rng.choice(list(DOMAINS))
        make, self.kind, table = DOMAINS[self.domain]
        count = rng.choice([1, 1, 2, 2, 2, 3])
        entities = []
        while len(entities) < count + 1:
            entity = article(make(rng))
            if not any(set(entity.lower().split()) & set(other.lower().split()) - {"the"} for other in entities) or chance(rng, 0.05):
                entities += [entity] if entity not in entities else []
        self.others = [entities.pop()]
        self.entities, self.facts, self.left_out = entities, [], []
        taken, blocks = set(), []
        total = rng.choice([2, 3, 3, 4, 4, 5, 6])
        per = max(1, round(total / count))
        chosen = [row for row in rng.sample(table, min(len(table), per + (1 if chance(rng, 0.4) else 0)))]
        for entity in entities:
            mine = rng.sample(table, min(len(table), per)) if chance(rng, 0.5) else list(chosen)
            rng.shuffle(mine)
            pronoun, name = pronouns(rng, self.domain, entity), entity.split()[0] if self.domain == "person" else entity
            block = []
            for row in mine:
                for _ in range(50):
                    found = draw_value(rng, row[0][0])
                    if found not in taken and not any(found in other or other in found for other in taken):
                        break
                taken.add(found)
                sentence = tell(rng, pick(rng, row[1], held), entity, name, pronoun, bool(block)).replace("{v}", found)
                sentence = article(sentence)
                if block and chance(rng, 0.35) and sentence.split()[0] in ("he", "she", "it") and len(block[-1].split()) < 14:
                    block[-1] = block[-1][:-1] + rng.choice([", and ", " and ", "; "]) + sentence
                else:
                    block.append(first_upper(sentence))
                self.facts.append((entity, row, found))
            self.left_out += [(entity, row) for row in table if row not in mine and row[2] and row[4]]
            blocks.append(block)
        if count > 1 and chance(rng, 0.15):
            flat = [(e, s) for e, b in zip(entities, blocks) for s in b[:1]] + [(e, s) for e, b in zip(entities, blocks) for s in b[1:]
                                                                              if e in s or first_upper(e) in s]
            kept = {s for _, s in flat}
            self.facts = [fact for fact in self.facts if any(fact[2] in s and (fact[0] in s or first_upper(fact[0]) in s) for s in kept)]
            sentences = [s for _, s in flat]
        else:
            sentences = [s for block in blocks for s in block]
        for _ in range(rng.choice([0, 0, 0, 1, 1, 2])):
            sentences.insert(rng.randint(0, len(sentences)), rng.choice(ASIDES))
        self.text = " ".join(dict.fromkeys(sentences))

    def ask(self, rng, held):
        """A question and its answer."""
        entity, row, found = rng.choice(self.facts)
        draw = rng.random()
        if draw < 0.2 and len(row) > 3 and row[3]:
            return clean(pick(rng, row[3], held).replace("{v}", found)), entity
        if draw < 0.36 and len(row) > 4 and row[4]:
            true = chance(rng, 0.5)
            said = found
            if not true:
                rest = [f[2] for f in self.facts if f[1] is row and f[0] != entity]
                said = rng.choice(rest) if rest and chance(rng, 0.7) else draw_value(rng, row[0][0])
            answer = "Yes" if said == found else "No"
            return clean(pick(rng, row[4], held).replace("{e}", entity).replace("{v}", said)) + rng.choice(YES_NO), answer
        question = pick(rng, row[2], held).replace("{e}", entity)
        return clean(question), found

    def ask_absent(self, rng, held):
        """A question the passage does not answer."""
        rows_told = [row for _, row, _ in self.facts if row[2] and row[4:] and row[4]]
        if rows_told and (not self.left_out or chance(rng, 0.5)):
            return clean(pick(rng, rng.choice(rows_told)[2], held).replace("{e}", self.others[0]))
        entity, row = rng.choice(self.left_out)
        return clean(pick(rng, row[2], held).replace("{e}", entity))


def clean(text):
    return first_upper(text.replace("the the ", "the "))


def reading(rng, data, held, absent_share=0.2):
    passage = Passage(rng, held)
    instruction = rng.choice(ABSENT) if chance(rng, 0.4) else None
    turns = rng.choice([1, 1, 1, 1, 2, 3, 4])
    lead = " " + pick(rng, IF_ABSENT, held).replace("{absent}", instruction) if instruction else ""
    wrap = turns > 1 and chance(rng, 0.6)
    messages = [("system", pick(rng, ASK_SYSTEM, held).replace("{p}", passage.text) + lead)] if wrap else []
    asked = set()
    for turn in range(turns):
        if chance(rng, absent_share) and (passage.left_out or passage.facts):
            question, answer = passage.ask_absent(rng, held), instruction or NOT_SAID
        else:
            question, answer = passage.ask(rng, held)
        if question in asked:
            continue
        asked.add(question)
        if not wrap and turn == 0:
            template = pick(rng, ASK, held)
            if re.search(r"(, |note, )\{q\}", template):
                question = question[0].lower() + question[1:] if question.split()[0] in STARTERS else question
            user = template.replace("{q}", question).replace("{p}", passage.text)
            question = user + lead if not user.endswith(":") else user.replace("\n", lead + "\n", 1) if lead else user
        messages += [("user", question), ("assistant", answer)]
    return messages


STARTERS = set("What Where When Who Which How In On At Whose Why For To From Is Does Do Did Was Are Will Can Has By Since".split())

# --------------------------------------------------------------------------------------------- told passages

# One passage a block, then its questions: wordings => {slot}.
STORIES = """
The community garden on {street} opened in {year}. It has {count} plots, and a plot costs {price} a year. {who} keeps the list of members. Volunteers meet every {weekday} at {clock} to weed the paths, and in {season} they sell {prey} at a small stand.
When did the garden open? / In what year did the community garden open? / Since which year has the garden been open? => year
How many plots are there? / How many plots does the garden have? / What is the number of plots? => count
What does a plot cost a year? / How much is a plot? / What do members pay for a plot? => price
Who keeps the list of members? / Who has the member list? / Which person looks after the list of members? => who
On which day do volunteers meet? / When do the volunteers come together? / Which day is for weeding? => weekday
--
{who} left {town} early in the morning and drove {distance} to see an old friend called {who2}. On the way the car had {problem}, so the journey took {hours}. They talked until late, ate {food} and looked at photos from {year}.
Who drove to see a friend? / Which person made the journey? / Who left early in the morning? => who
Where did the journey begin? / Which town did the driver leave? / From which town did the trip start? => town
What is the friend called? / Who is the old friend? / What is the name of the friend? => who2
How long did the journey take? / How many hours was the drive? / For how long did they travel? => hours
What did they eat? / Which dish did the friends have? / What was on the table that evening? => food
--
The library in {town} will stay closed until {day} because the floor has to be repaired. Books can be returned in {container} at the back door. {who}, the head of the library, says that the work will cost about {price}. During this time readers may use the small library near {place}.
Until when is the library closed? / When does the closing of the library end? / To what date will the library stay closed? => day
Where can books be returned? / What do readers put their books in? / In what can you leave books? => container
Who is the head of the library? / Who leads the library? / What is the name of the head? => who
How much will the work cost? / What is the cost of the repair? / What price is named for the work? => price
Where is the small library? / What is the small library near? / Near what can readers find another library? => place
--
Last {weekday} a {colour} van stopped in front of {place}. A man took out {container} and gave it to {who}. Inside were {material_of} worth {price}. Nobody knew who had sent them, but on the paper stood the word "{invented}".
What colour was the van? / Which colour did the van have? / The van was what colour? => colour
Where did the van stop? / In front of what did the van stop? / What place did the van stop at? => place
Who got the delivery? / To whom did the man give it? / Who was given the thing? => who
What was inside? / What did it hold? / What was found in it? => material_of
What word stood on the paper? / Which word was written on the paper? / What did the paper say? => invented
--
{company} has built a new factory in {country}. From {month} on, {count} people will make {industry} there. The director, {who}, called it the biggest step since the firm was founded in {year}. The building cost {price} per square metre.
Where is the new factory? / In which country was the factory built? / Which country has the new factory? => country
How many people will work there? / What number of people will the factory have? / How many workers are planned? => count
What will be made in the factory? / What does the factory produce? / Which goods will people make there? => industry
Who is the director? / Who leads the firm? / What is the director's name? => who
When was the firm founded? / In which year was the company founded? / Since what year does the firm exist? => year
--
Every {season}, {who} visits her uncle in {town}. The uncle is {job} and keeps {pet}. In the mornings they go fishing, and in the evenings he plays {instrument}. This year she stays for {days} and brings him {feature2}.
Where does she visit her uncle? / In which town does the uncle live? / Where does the uncle live? => town
What is the uncle's job? / What does the uncle do? / What work does the uncle have? => job
Which pet does the uncle have? / What animal does the uncle keep? / What does the uncle keep? => pet
What does the uncle play? / Which instrument does the uncle play? / What music does he make in the evenings? => instrument
How long does she stay? / For how many days does she stay? / What is the length of her visit? => days
--
Notice to all guests: breakfast is served in {room} from {clock} on. Please leave your key at the desk before {clock2} on the day you leave. The pool is closed on {weekday}. For a taxi call {phone}. The room safe costs {price} a day.
Where is breakfast served? / In which place do guests have breakfast? / Where can I eat breakfast? => room
When does breakfast start? / From what time is there breakfast? / At what time can I have breakfast? => clock
When must the key be left? / By what time should I give back the key? / Until what time can guests keep the key? => clock2
On which day is the pool closed? / When can't I use the pool? / What day is the pool shut? => weekday
Which number do I call for a taxi? / What is the taxi number? / How can I phone a taxi? => phone
--
The {invented} is a small animal that lives in {habitat}. It sleeps by day and hunts for {prey} at night. A female has two or three young in {season}, and they stay with her for {days}. Because of {trait} it is easy to recognise. Its worst enemies are {threat}.
Where does the animal live? / What is its habitat? / In what area is it found? => habitat
What does it hunt for? / What does the animal eat? / What is its food? => prey
When are the young born? / In which season does it have young? / At what time of year do females have young? => season
How long do the young stay with the mother? / For how long are the young with her? / After what time do the young leave? => days
What are its worst enemies? / Which animals hunt it? / What must it fear? => threat
--
To make the soup you need {count2} onions, {weight} of carrots and a litre of water. Cook everything for {minutes}. {who}, who wrote the recipe, adds {food2} at the end and serves it with {bread}. The soup keeps for {days} in the fridge.
How many onions are needed? / What number of onions do you need? / How many onions go in the soup? => count2
How much carrot is needed? / What weight of carrots do you need? / How many carrots by weight? => weight
How long must it cook? / For how long is the soup cooked? / What is the cooking time? => minutes
Who wrote the recipe? / Whose recipe is it? / Which person is behind the recipe? => who
How long does the soup keep? / For how many days can you keep the soup? / How long can it stay in the fridge? => days
--
Hello {relative}, I am writing from {town}. The weather is {weather} and our room in {lodging} is lovely. Yesterday we saw {sight} and today we will rent bicycles for {price}. We come home on {day}. Love, {relative2}
Where is the letter written? / From which town is the letter? / In what town is the writer? => town
How is the weather? / What is the weather like? / What kind of weather do they have? => weather
Where do they stay? / What is their lodging? / Where is their room? => lodging
What did they see yesterday? / Which sight did they visit? / What was seen the day before? => sight
When do they come home? / On what date do they return? / What day will they be back? => day
Who wrote the letter? / Who is the writer? / From whom is this letter? => relative2
--
At the school sports day {relative} won the long jump and {relative2} won the race. The prize for the jump was {goods1}. More than {count} parents watched from {place}, and {who} gave the prizes. It began at {clock} and ended with {act}.
Who won the long jump? / Who jumped the farthest? / Which child won the jump? => relative
Who won the race? / Who was the fastest? / Which child came first in the race? => relative2
How many parents watched? / What number of parents came? / How many parents were there? => count
Who gave the prizes? / Who handed out the prizes? / Which person gave the prizes? => who
When did it begin? / At what time did the sports day start? / What was the starting time? => clock
--
Train {number} to {town} leaves at {clock} from platform {count2}. It stops in {town2} and arrives {hours} later. Bicycles may be taken for {price}. Due to {problem} there is no restaurant car this {weekday}.
Where does the train go? / What is the destination of the train? / To which town does the train go? => town
When does the train leave? / What is the departure time? / At what time does it go? => clock
From which platform does it leave? / What is the platform number? / Which platform is it? => count2
Where does it stop on the way? / In which town does the train stop? / What stop is there? => town2
Why is there no restaurant car? / What is the reason for the missing restaurant car? / What caused it to have no restaurant car? => problem
--
{who} bought a house near {place} for {amount}. It was built in {year} by a man named {who2}. The roof is made of {material}, the door is {colour} and behind the house lives {pet2}. The move is planned for {day}.
Who bought the house? / Who is the new owner? / Which person bought a house? => who
What did the house cost? / How much was paid for the house? / For what price was it bought? => amount
When was the house built? / In which year was it built? / From what year is the house? => year
Who built it? / What was the name of the builder? / By whom was the house built? => who2
What colour is the door? / Which colour does the door have? / The door is what colour? => colour
--
The museum shows {count} old maps until {day}. Most of them were drawn by {who}, who lived in {town} and worked as {job}. Tickets are {price}, and on {weekday} entry is free. A guided tour takes {minutes} and starts next to {place}.
How many maps are shown? / What number of maps does the museum show? / How many old maps can be seen? => count
Until when can the maps be seen? / When does the show end? / What is the last day of the show? => day
Who drew most of the maps? / By whom were most maps drawn? / Which person made most of them? => who
On which day is entry free? / When does entry cost nothing? / What day can you visit for free? => weekday
How long does a tour take? / How many minutes is the guided tour? / What is the length of a tour? => minutes
"""


def parsed(text):
    out = []
    for part in text.strip().split("\n--\n"):
        body, *asks = part.strip().split("\n")
        out.append((body, [([q.strip() for q in left.split(" / ")], slot.strip()) for left, _, slot in (a.rpartition("=>") for a in asks)]))
    return out


TOLD = parsed(STORIES)
EXTRA = {"invented": invented, "number": lambda rng: str(rng.randint(10, 999)), "count2": lambda rng: str(rng.randint(2, 12)), "bread": lambda rng: rng.choice(["bread", "rice", "toast"]),
         "goods1": lambda rng: rng.choice(["a silver cup", "a book", "a new bicycle", "a football"]), "feature2": lambda rng: rng.choice(["a cake", "old photos", "tea"])}


def told(rng, data, held):
    body, asks = pick(rng, TOLD, held)
    while True:
        values = {}
        for slot in re.findall(r"\{(\w+)\}", body):
            kind = slot if slot in EXTRA or slot in VOCABULARY else slot.rstrip("2")
            values[slot] = EXTRA[kind](rng) if kind in EXTRA else draw_value(rng, kind)
        if len(set(values.values())) == len(values):
            break
    text = article(first_upper(re.sub(r"\{(\w+)\}", lambda match: values[match.group(1)], body)))
    absent_ask = None
    if chance(rng, 0.18):
        absent_ask = pick(rng, TOLD_ABSENT, held)
    instruction = rng.choice(ABSENT) if chance(rng, 0.35) else None
    lead = " " + pick(rng, IF_ABSENT, held).replace("{absent}", instruction) if instruction else ""
    if absent_ask:
        question, answer = absent_ask, instruction or NOT_SAID
    else:
        wordings, slot = rng.choice(asks)
        question, answer = pick(rng, wordings, held), values[slot]
    messages = []
    if chance(rng, 0.2):
        messages = [("system", pick(rng, ASK_SYSTEM, held).replace("{p}", text) + lead), ("user", question), ("assistant", answer)]
    else:
        user = pick(rng, ASK, held).replace("{q}", question).replace("{p}", text)
        messages = single(user + lead if not user.endswith(":") else user.replace("\n", lead + "\n", 1), answer)
    if chance(rng, 0.35):
        wordings, slot = rng.choice(asks)
        following = pick(rng, wordings, held)
        if following != question:
            messages += [("user", following), ("assistant", values[slot])]
    return messages


TOLD_ABSENT = lines("""
What is the writer's shoe size?
Which newspaper reported it?
What is the favourite song of the main person?
How many windows does the building have?
What is the name of the dog?
Who paid the taxes?
What grade did the pupil get?
Which bank was used?
What is the password?
How tall is the tower?
Who was the king at that time?
What did the teacher say about the homework?
Which team won the cup?
What language do they speak?
What is the e-mail address of the owner?
What was the score of the match?
Which doctor was called?
How much does the ring weigh?
What is the middle name of the mayor?
Who painted the picture?
""")

# --------------------------------------------------------------------------------------------- main sentence

# A general claim, then its details; {s} is one of the subjects after the second ||.
THEMES = rows("""
{s} is a great place for families. || Children can play in a fenced garden. / There is a cheap menu for small guests. / Two rooms are full of toys and books. / Parents can rest in quiet corners. / Prams fit through every door. || The new park / The hotel on the hill / The café by the lake / Our museum / The holiday village
{s} has become much more popular. || Visitor numbers doubled in two years. / Tickets are often sold out by noon. / The waiting list now has 300 names. / A second entrance had to be built. / Newspapers write about it every week. || The local zoo / The night market / The swimming club / The old library / The flower show
{s} saves a lot of energy. || Thick walls keep the heat inside. / Solar panels cover half of the roof. / The lights go off when nobody is in the room. / The heating bill fell by a third. / Even the windows have three layers of glass. || The new school / Our office building / The rebuilt factory / This small house / The sports centre
{s} was a complete failure. || Only nine people came. / The sound system broke after ten minutes. / The food was cold and arrived late. / Most guests left before the end. / The organisers lost a lot of money. || The summer concert / The street party / The opening night / The charity dinner / The book fair
{s} is very easy to use. || You press one large button to start. / The manual has only two pages. / Even young children learn it in a minute. / All the signs are pictures. / It never asks for a password. || The new ticket machine / This camera / The phone for seniors / The school app / The coffee maker
{s} is dangerous in winter. || Ice covers the curves until noon. / There were twelve accidents last January. / Snow hides the edge of the slope. / At night there are no lights. / The nearest doctor is an hour away. || The mountain road / The path along the cliff / The northern pass / The forest track / The old bridge
{s} works very hard. || The day starts at five in the morning. / Lunch lasts only ten minutes. / On Saturdays there is another shift. / The last holiday was three years ago. / Even on Sundays the phone keeps ringing. || The young baker / My neighbour / The new nurse / Our team / The village doctor
{s} has serious money problems. || The rent has not been paid since May. / Two banks refused a new loan. / Half of the staff had to go. / The computers were sold last week. / Bills pile up on the desk. || The theatre / The small airline / The football club / The town council / The toy company
{s} is good for your health. || It makes the heart stronger. / People who do it sleep better. / Doctors often advise it to tired patients. / It lowers stress after a long day. / Your back hurts less after a few weeks. || A daily walk / Regular swimming / Dancing / Working in the garden / Cycling to work
{s} has many uses. || Farmers feed the leaves to goats. / The fibres are turned into rope. / Its oil goes into soap. / Artists make paint from the roots. / In the past people built roofs with it. || This plant / The river reed / The old palm / The tall grass / The island tree
{s} changed the life of the town. || Young people no longer move away. / Three hotels opened on the main street. / House prices rose quickly. / Trains now stop there every hour. / The empty shops have new owners. || The new university / The gold mine / The ferry line / The film festival / The railway station
{s} is one of the cleverest animals around here. || It opens boxes with its beak or paws. / It remembers faces for years. / It hides food and finds it again in winter. / It learns tricks by watching others. / Tests show that it can count to six. || The crow / The grey parrot / The fox / The octopus / The rat
{s} was not easy to reach. || The only bus ran twice a week. / The last ten kilometres had to be walked. / Fog often stopped the boats. / There was no signpost at the crossing. / Many drivers turned back at the river. || The lighthouse / The hidden valley / The mountain village / The research station / The monastery
{s} cares a lot about the environment. || Plastic bags are no longer used. / All the waste is sorted by hand. / Staff come to work by bicycle. / Rain water is used for the toilets. / Every customer gets a free tree. || The supermarket / Our hotel / The furniture maker / The airport shop / The bakery chain
{s} is very cheap to live in. || A large flat costs 300 euros a month. / Lunch is free for students. / Bus rides cost only a few cents. / Vegetables are half the price of the capital. / Even the cinema asks for just two euros. || The border town / The old harbour district / The island / The college town / The valley
{s} is badly organised. || Nobody knows who has the keys. / The same letter was sent four times. / Meetings start an hour late. / Important files cannot be found. / Two teams do the same work. || The office / The club / The hospital / The travel agency / The festival
{s} takes a lot of patience. || The first results come after months. / One wrong move ruins a week of work. / The paint must dry for three days between layers. / Beginners often give up too soon. / Each piece is checked ten times. || Building model ships / Restoring old furniture / Training a young dog / Growing orchids / Learning the violin
{s} is famous for its food. || Its fish soup won three prizes. / Cooks come from abroad to learn there. / On Sundays guests queue for the cakes. / A guidebook gave it five stars. / The cheese is sold in forty countries. || The coastal town / The small inn / The region / The harbour market / The mountain hotel
{s} is getting old and needs repair. || Rain drips through the roof. / The paint is falling off the walls. / Two steps of the stairs are broken. / The pipes make strange noises. / The doors no longer close. || The town hall / The school building / The ship / The windmill / The cinema
{s} treats its workers well. || Lunch is free every day. / Parents can work from home. / There are thirty days of holiday. / The bosses listen to complaints. / Everyone gets a bonus in December. || The software firm / The shoe factory / The garden centre / The bus company / The printing house
{s} made life in the kitchen easier. || Dough is ready in five minutes. / Nobody has to cut onions by hand. / The oven cleans itself. / Soup can be left alone for hours. / Washing up takes half the time. || The new mixer / The smart oven / The machine from Norway / The food robot / This small invention
{s} had a very good season. || It won fourteen games in a row. / The young striker scored twenty goals. / Fans sang until midnight. / The cup now stands in the club house. / Only one match was lost at home. || The village team / The women's team / The hockey club / The school team / The rowing club
{s} is full of wildlife. || Deer come to drink at dawn. / More than fifty kinds of birds nest in the trees. / Frogs sing on summer nights. / At the pond you can watch otters. / Owls live in the old oaks. || The forest / The nature park / The marsh / The river island / The wild garden
{s} brings people together. || Neighbours meet there for tea. / Old and young cook on Fridays. / New families find friends quickly. / The choir has members from ten countries. / Nobody has to eat alone. || The community garden / The village hall / The football field / The reading club / The weekly market
{s} is a noisy place. || Trucks pass all night. / The neighbours play drums. / Planes fly over the roof every ten minutes. / Builders start work at six. / You have to shout to be heard. || The corner flat / Our street / The station hotel / The canteen / The new office
{s} is an excellent teacher. || Every pupil gets time and help. / Hard things are explained with simple pictures. / The lessons are never boring. / Last year all the pupils passed the exam. / Parents send letters of thanks. || Mr {last} / Mrs {last} / The young man from {town} / {last} / My aunt
{s} was very slow. || The first page took a minute to open. / Pictures never appeared at all. / Users waited an hour for an answer. / A simple search needed ten tries. / Many people gave up and called instead. || The new website / The office computer / The ticket system / The help desk / The bank's app
{s} has a long history. || The first stones were laid 800 years ago. / Kings slept within its walls. / In a great fire the tower was lost. / Later it served as a prison. / Since 1950 it has been open to visitors. || The castle / The bridge / The market hall / The abbey / The inn at {town}
{s} did not sleep well. || A dog barked until two. / The bed was too short. / Rain hammered on the window. / At four the phone rang. / The room was far too hot. || {last} / The guest / The young traveller / My brother / The tired driver
{s} prepared carefully for the journey. || The tyres were checked twice. / A list of all the hotels hung on the fridge. / Warm clothes lay ready on the bed. / The maps were marked in red. / Vaccinations were done in March. || {last} / The family / The group from {town} / The two sisters / The explorer
""")
JOINERS = ["", "", "", "", "For example, ", "Also, ", "In addition, ", "Besides, "]

MAIN_ASK = lines("""
Which sentence gives the main idea?\\n\\n{p}
{p}\\n\\nWhat is the main sentence of this text?
Find the topic sentence: {p}
Copy the sentence that says what the passage is about.\\n\\n{p}
Pick the one sentence that sums up the paragraph.\\n{p}
Summarize in one sentence, using a sentence from the text.\\n\\n{p}
Give a one-line summary by copying the most important sentence.\\nText: {p}
Text: {p}\\nMain sentence:
{p}\\n\\nWhich sentence states the main point? Copy it.
Extract the key sentence from this paragraph: {p}
What is the main idea of this paragraph? Answer with one sentence from it.\\n\\n{p}
Shorten this text to its most important sentence.\\n\\n{p}
Passage: {p}\\nOne-sentence summary:
Read the text and quote its main point.\\n{p}
The other sentences give details; which one is the general statement?\\n\\n{p}
Summarize: {p}
{p}\\n\\nTL;DR (one sentence from the text):
Tell me the central sentence of the following passage.\\n{p}
Which line carries the main message here?\\n\\n{p}
""")


def main_sentence(rng, data, held):
    (claim,), details, subjects = rng.choice(THEMES)
    subject = rng.choice(subjects).replace("{last}", surname(rng)).replace("{town}", place_name(rng))
    claim = claim.replace("{s}", subject)
    told = rng.sample(details, rng.choice([2, 3, 3, 4]))
    told = [told[0]] + [(join + (d[0].lower() + d[1:] if join and d.split()[0] not in W.WEEKDAYS else d)) for d in told[1:] for join in [rng.choice(JOINERS)]]
    place = rng.choice([0, 0, 0, len(told), len(told), rng.randint(0, len(told))])
    if place:
        told[0] = first_upper(told[0])
    told.insert(place, claim)
    return single(pick(rng, MAIN_ASK, held).replace("{p}", " ".join(told)), claim)


# ------------------------------------------------------------------------------------------- multiple choice

CATEGORIES = {name: words(items) for name, items in (line.split(": ", 1) for line in lines("""
fruit: apple, pear, banana, cherry, plum, mango, grape, peach, lemon, strawberry, kiwi, melon
vegetable: carrot, onion, cabbage, spinach, potato, leek, broccoli, celery, radish, cauliflower
tool: hammer, saw, screwdriver, drill, wrench, pliers, spade, chisel, rake
animal: dog, cat, horse, lion, rabbit, sheep, elephant, tiger, goat, bear, wolf, giraffe
bird: eagle, sparrow, owl, penguin, parrot, swan, crow, pigeon, robin
fish: salmon, trout, tuna, cod, herring, carp, sardine
insect: ant, bee, beetle, butterfly, mosquito, wasp, fly, grasshopper
colour: red, blue, green, yellow, purple, brown, pink, grey
musical instrument: piano, violin, trumpet, drum, flute, guitar, harp, cello
vehicle: car, bus, bicycle, train, lorry, tram, motorbike, taxi
country: France, Brazil, Japan, Kenya, Canada, Norway, Egypt, Peru, Spain, India
city: London, Paris, Tokyo, Cairo, Berlin, Madrid, Rome, Toronto, Oslo
piece of furniture: table, chair, sofa, wardrobe, bed, bookshelf, desk
piece of clothing: shirt, coat, sock, hat, scarf, skirt, glove, sweater, jacket
drink: tea, coffee, milk, juice, water, lemonade, beer
sport: tennis, football, hockey, golf, rugby, basketball, swimming, boxing
job: nurse, teacher, pilot, baker, lawyer, plumber, farmer, dentist
month: March, July, October, January, August, November
day of the week: Monday, Thursday, Sunday, Friday, Tuesday
part of the body: arm, knee, shoulder, elbow, ear, foot, nose, finger
kind of weather: rain, snow, fog, storm, hail, sunshine
metal: iron, gold, copper, silver, tin, lead, aluminium
flower: rose, tulip, daisy, lily, sunflower, orchid, violet
tree: oak, pine, birch, maple, willow, beech, spruce
shape: circle, square, triangle, oval, rectangle, hexagon
planet: Mars, Venus, Saturn, Jupiter, Neptune, Uranus
family member: uncle, sister, cousin, grandmother, nephew, aunt, father
feeling: joy, anger, fear, sadness, surprise, pride
kitchen item: pan, fork, spoon, plate, kettle, bowl, whisk
room of a house: kitchen, bedroom, bathroom, cellar, hall, attic
language: English, Spanish, German, Arabic, Italian, Polish, Turkish
school subject: history, chemistry, geography, biology, physics
"""))}
OVERLAP = {frozenset(pair) for pair in (("animal", "bird"), ("animal", "fish"), ("animal", "insect"), ("fruit", "colour"), ("flower", "colour"),
           ("sport", "feeling"), ("metal", "colour"), ("fruit", "vegetable"), ("flower", "tree"), ("tool", "kitchen item"))}
WHICH = lines("""
Which of these is a {c}?
Which one is a {c}?
Which word names a {c}?
What of the following is a {c}?
Pick the {c}.
Choose the {c}.
Find the {c} in the list.
Which option is a {c}?
Only one of these is a {c}. Which?
""")
ODD = lines("""
Which word does not belong?
Which one is the odd one out?
Find the odd one out.
One word does not fit. Which one?
Pick the word that does not fit with the others.
Which of these is different from the rest?
""")
OPTIONS = lines("""
{q}\\nOptions: {o}
{q} {o}
{q}\\n{o}
{q}\\n\\nChoices: {o}
Question: {q}\\nOptions: {o}\\nAnswer:
Choose the right option.\\n{q}\\n{o}
{q} Choose one: {o}
Options: {o}\\n{q}
Select the correct answer. {q}\\n{o}
""")
LETTER_ASK = [" Answer with the letter.", "\nAnswer with the letter only.", "\nReply with just the letter.", "\nLetter:", "\nWhich letter?"]
TEXT_ASK = ["", "", "", " Answer with the option only.", "\nAnswer with one of the options.", "\nGive the text of the right option."]


def lay_out(rng, options):
    """Options as text and what marks each, None where they are bare."""
    layout = rng.choice(["letter", "letter", "letter", "number", "bare", "bare", "dash", "slash"])
    if layout in ("letter", "number"):
        marks = [("ABCDEFGH" if layout == "letter" else "12345678")[i] for i in range(len(options))]
        form = rng.choice(["{}) {}", "{}. {}", "({}) {}", "{}: {}"])
        return rng.choice(["\n", "\n", "  ", ", "]).join(form.format(m, o) for m, o in zip(marks, options)), marks if layout == "letter" else None
    if layout == "dash":
        return "\n- " + "\n- ".join(options), None
    return (", " if layout == "bare" else " / ").join(options), None


def article(text):
    return re.sub(r"\b([Aa]) (?=[aeiou])", r"\1n ", text)


def choose(rng, question, options, answer, held, passage=""):
    text, marks = lay_out(rng, options)
    user = pick(rng, OPTIONS, held).replace("{q}", question).replace("{o}", text)
    if passage:
        user = rng.choice(["{p}\n\n{u}", "Passage: {p}\n\n{u}", "Read the text.\n{p}\n\n{u}"]).replace("{u}", user).replace("{p}", passage)
    if marks and chance(rng, 0.55):
        return single(user + rng.choice(LETTER_ASK), marks[options.index(answer)])
    return single(user + rng.choice(TEXT_ASK), answer)


def category_choice(rng, data, held):
    names = list(CATEGORIES)
    while True:
        first, second = rng.sample(names, 2)
        if frozenset((first, second)) not in OVERLAP:
            break
    if chance(rng, 0.35):
        answer = rng.choice(CATEGORIES[second])
        options = rng.sample(CATEGORIES[first], rng.choice([2, 3, 3, 4])) + [answer]
        question = pick(rng, ODD, held)
    else:
        answer = rng.choice(CATEGORIES[first])
        others = [n for n in names if n != first and frozenset((first, n)) not in OVERLAP]
        options = [answer] + [rng.choice(CATEGORIES[n]) for n in rng.sample(others, rng.choice([1, 2, 3, 3, 4]))]
        options = [o for o in dict.fromkeys(options) if o == answer or o not in CATEGORIES[first]]
        question = article(pick(rng, WHICH, held).replace("{c}", first))
    rng.shuffle(options)
    return choose(rng, question, options, answer, held)


def passage_choice(rng, data, held):
    while True:
        passage = Passage(rng, held)
        entity, row, found = rng.choice(passage.facts)
        if row[2]:
            break
    options = [found] + list(dict.fromkeys(f[2] for f in passage.facts if f[1] is row and f[2] != found))[:2]
    while len(options) < rng.choice([3, 4]):
        extra = draw_value(rng, row[0][0])
        options += [extra] if extra not in options else []
    rng.shuffle(options)
    return choose(rng, clean(pick(rng, row[2], held).replace("{e}", entity)), options, found, held, passage.text)


# ---------------------------------------------------------------------------------------------- public rows


CHECKED = ("quarel", "quartz", "cosmos_qa")  # the sets whose licence was read on their own card


@lru_cache(None)
def load(folder):
    """(trained, held out) rows of the public reading sets: short prompts whose answer stands in the prompt."""
    sides = ([], [])
    for row in read(folder, "instructions"):
        if not row["template"].startswith(CHECKED) or row["task"] not in ("qa_choice", "qa_extract"):
            continue
        prompt, answer = tidy(row["prompt"]), tidy(row["completion"])
        if len(prompt.split()) > 170 or len(answer.split()) > 16 or not answer or answer.lower() not in prompt.lower():
            continue
        longest = max(prompt.split("\n"), key=len)
        sides[held_out_text(longest)].append((prompt, answer))
    return sides


def tidy(text):
    text = re.sub(r" (n't|'s|'re|'ve|'m|'ll|'d)\b", r"\1", text.replace(" ' ", "'"))
    text = re.sub(r" ([.,;:?!])(?=\s|$)", r"\1", text)
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def public_reading(rng, data):
    return single(*rng.choice(data[0]))


def own_passage(rng, data=None):
    """Questions on a passage written for this project, one that it does not answer now and then, or its main sentence."""
    rows = written("passages", "passage")[0]
    row = rng.choice(rows)
    if row.get("main") and chance(rng, 0.2):
        return single(rng.choice(W.MAIN_TOO if chance(rng, 0.7) else MAIN_ASK[:-2]).replace("{p}", row["passage"]), row["main"])
    asks = rng.sample(row["qa"], rng.choice([1, 1, 2, 3]))
    instruction = rng.choice(ABSENT) if chance(rng, 0.25) else None
    if chance(rng, 0.15):
        asks[rng.randrange(len(asks))] = rng.choice(rng.choice(rows)["qa"])[0], instruction or NOT_SAID
    lead = " " + rng.choice(IF_ABSENT[:-2]).replace("{absent}", instruction) if instruction else ""
    if len(asks) > 1 and chance(rng, 0.6):
        messages = [("system", rng.choice(ASK_SYSTEM[:-1]).replace("{p}", row["passage"]) + lead)]
    else:
        messages, question = [], asks[0][0]
        user = rng.choice(W.ASK_TOO if chance(rng, 0.7) else ASK[:-2]).replace("{q}", question).replace("{p}", row["passage"])
        messages = single(user + lead if not user.endswith(":") else user.replace("\n", lead + "\n", 1) if lead else user, asks.pop(0)[1])
    return messages + [part for question, answer in asks for part in (("user", question), ("assistant", answer))]


def held_own(rng, count):
    """Questions on the held-out ones of these passages."""
    for _ in range(count):
        row = rng.choice(written("passages", "passage")[1])
        question, answer = rng.choice(row["qa"])
        yield {"task": "passage_written", "messages": [("user", rng.choice(ASK[:-2]).replace("{q}", question).replace("{p}", row["passage"]))], "answer": answer, "scorer": "f1"}


def held_public_reading(rng, data):
    prompt, answer = rng.choice(data[1])
    return {"task": "passage_public", "messages": [("user", prompt)], "answer": answer, "scorer": "f1"}


TASKS, HELD_OUT = split({
    "passage_qa": (reading, "f1", True),
    "passage_told": (told, "f1", True),
    "passage_main": (main_sentence, "exact", True),
    "choice_category": (category_choice, "exact", True),
    "choice_passage": (passage_choice, "exact", True),
})
TASKS["passage_public"], TASKS["passage_written"] = public_reading, own_passage
HELD_OUT["passage_public"] = held_public_reading
