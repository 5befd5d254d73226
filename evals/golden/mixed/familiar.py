"""Requests under label and field names that are common in public sets and in the shipped starter model's training; the
messages are written for this set. A small model that can do anything at all can do some of these. Data only."""

# domain, then `label: message` lines
DOMAINS = """
% assistant
alarm: Wake me up at ten to seven tomorrow, would you
alarm: I have to be out of bed by five, set something loud
alarm: put an alarm on for half past eight on weekdays
timer: give me nine minutes on the clock for the rice
timer: count down from twenty five minutes starting now
timer: beep when a quarter of an hour is over
weather: will I need a raincoat in Bergen on Friday
weather: how cold is it going to get tonight
weather: is the sun coming out at the coast this weekend
translate: how would I say where is the bakery in Polish
translate: what is the Dutch for see you next week
translate: put the words good luck into Greek for me
play music: put on some slow jazz in the kitchen
play music: I'd like to hear that record by the Beatles again
play music: start my running playlist from the top
shopping list: add oat milk and two lemons to what I have to buy
shopping list: what do I still need from the supermarket
shopping list: put batteries on the list for the shop
traffic: is the road to the airport blocked this morning
traffic: how bad are the jams on the ring road right now
traffic: will I be stuck if I drive into town at five
book flight: find me a plane from Oslo to Rome on the third
book flight: I want to fly to Lisbon with my wife next Tuesday, one way
book flight: get two seats to Dublin leaving on Saturday morning
restaurant reservation: get us a table for six at Luigi's at eight
restaurant reservation: reserve something for two at the fish place on Sunday
restaurant reservation: can you book dinner for my parents at the Red Lion
recipe: how do I make a mushroom risotto
recipe: what do I do to bake a plain sponge cake
recipe: tell me the steps for a good lentil curry
definition: what does the word lugubrious mean
definition: explain the term sabbatical to me
definition: look up the meaning of obfuscate
tell joke: make me laugh please
tell joke: do you know a funny one about cows
tell joke: say something really silly to cheer me up
% bank
card arrival: It has been nine days and my new card is still not in the post
card arrival: When will the card you sent me get here
card arrival: I am waiting for my card, can I see where it is
lost or stolen card: My card was taken from my bag on the bus
lost or stolen card: I can't find my card anywhere, please block it
lost or stolen card: somebody stole my card last night
exchange rate: What rate do you use when I change pounds into euros
exchange rate: how many dollars do I get for one hundred euros with you
exchange rate: where can I see today's rates for foreign money
pin blocked: I typed the wrong pin three times and now it does not let me in
pin blocked: my pin is locked, how do I unblock it
pin blocked: how do I get my pin working again after too many tries
cash withdrawal charge: Why did I pay a fee for taking money out of the machine
cash withdrawal charge: I was charged when I took out cash abroad
cash withdrawal charge: do you take something extra for getting cash from an atm
transfer timing: How long until the money I sent reaches my brother
transfer timing: when will a transfer from France be in my account
transfer timing: how many days does a transfer to Spain take
top up failed: I tried to top up and it was refused
top up failed: my top up did not go through, why
top up failed: adding money to my account with my card did not work
terminate account: I want to close my account for good
terminate account: please delete my account, I am leaving you
terminate account: how can I end everything with your bank
change pin: can I choose another pin for my card
change pin: I want a new pin that I can remember
change pin: where do I go to change my pin
card swallowed: the machine kept my card and did not give it back
card swallowed: the atm ate my card
card swallowed: my card is stuck inside the cash machine
% shop
billing: The invoice shows the wrong company name
billing: I was charged two times for one order
billing: why is there an extra amount on my bill for March
shipping: My parcel has been in the same depot for a week
shipping: where is the package that you sent on Monday
shipping: can you deliver to my work address instead
returns: the shoes are too small, I want to send them back
returns: how do I return a lamp that I do not like
returns: I would like to swap the blue shirt for a green one
technical: the app closes each time I open the camera
technical: your website shows an error when I press pay
technical: my screen stays black after the update
account: I cannot log in since I changed my phone
account: please change the email address of my profile
account: I forgot my password and the link does not come
cancellation: please cancel my subscription at the end of the month
cancellation: I don't want the order any more, stop it
cancellation: end my membership from next week on
jobs: are you hiring drivers at the moment
jobs: I would like to apply for the job in your store
jobs: where do I send my application for the internship
opening hours: when do you open on Sunday
opening hours: how late is the shop in Leeds open tonight
opening hours: are you closed on Easter Monday
"""

# restaurant bookings: text with places for values; the fields are those of bookings everywhere
BOOKINGS = [
    ("I'd like a table for {people} people on {date} at {time}.", ["people", "date", "time"]),
    ("Could you seat {people} of us at {time} on {date}? The name is {first_name} {last_name}.", ["people", "time", "date", "first_name", "last_name"]),
    ("My name is {first_name} {last_name} and we will be {people}.", ["first_name", "last_name", "people"]),
    ("{date} at {time} please, there are {people} of us.", ["date", "time", "people"]),
    ("Please book {time} under {first_name} {last_name}.", ["time", "first_name", "last_name"]),
    ("We would come on {date}, around {time}.", ["date", "time"]),
]
VALUES = {
    "people": ["2", "three", "7", "four", "12", "six"],
    "date": ["Friday", "the 4th of June", "next Tuesday", "tomorrow", "August 9th", "Saturday"],
    "time": ["7 pm", "half past six", "20:15", "noon", "8:30 pm", "a quarter to nine"],
    "first_name": ["Ines", "Tobias", "Amara", "Pavel", "Greta", "Maeve"],
    "last_name": ["Brandt", "Okoro", "Quayle", "Petrov", "Sato", "Vidal"],
}


def domains():
    """[[(label, message)]] for every domain."""
    blocks = ("\n" + DOMAINS.strip()).split("\n% ")[1:]
    return [[tuple(line.split(": ", 1)) for line in block.split("\n")[1:]] for block in blocks]
