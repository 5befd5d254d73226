"""Messages written for this set, each under the one label of its set that fits it. Data only."""

# what a text is called, then `label` lines followed by their texts
SETS = """
% note to a ferry company
= boarding
Do we have to be at the quay an hour before, or is half an hour enough with bicycles?
Which lane do campers use at the harbour, and does somebody wave us in?
= fare change
I paid for a cabin, my friend for a seat, and now we both want cabins. What does that add?
My son turns twelve the day before we sail. Does his ticket still count as a child's?
= lost property
A green rucksack with a thermos stayed behind under table nine on the Sunday crossing.
I think my reading glasses went overboard or into your lost property box, hopefully the latter.
= motion sickness
Is there a part of the deck where the swell is felt less? My wife gets queasy quickly.
Do you hand out tablets on board if somebody cannot keep breakfast down?
% gardening question
= pests
Small black dots cover the undersides of my bean leaves and they move when I breathe on them.
Something eats perfect round holes into the cabbage, but only at night.
= watering
The tomatoes droop at noon and stand up again at dusk. More water or leave them?
How deep should the soil be wet after I have gone round with the hose?
= pruning
Which shoots of a raspberry do I take off once it has fruited?
My pear tree shoots straight up. When do I shorten the crown?
= soil
The bed is grey clay that cracks like a plate. What can I dig in?
Blueberries turned yellow and a neighbour says the ground is too chalky.
% radio phone-in
= request a song
Could you play something by Miriam Makeba before the news?
My parents danced to Moon River sixty years ago today, it would make their evening.
= traffic tip
There's a lorry across both lanes just after the old paper mill, people are turning round.
The lights at Corn Street are stuck on red, everybody is going through carefully.
= complaint
Your presenter talked over the whole guitar solo again. Again!
Three adverts for the same sofa in ten minutes, and you call that a music hour.
= quiz answer
I say it is Lake Baikal, the deepest one in the world.
The answer must be Marie Curie, she had two of them.
% request to a hotel's front desk
= housekeeping
We are out of towels in 214, and the bath mat is soaked.
Please leave the room today, we both work nights and are asleep until two.
= maintenance
The balcony door will not lock, it swings open with every gust.
There is a tapping in the radiator that starts at five each morning.
= concierge
Where can six people eat fish tonight without booking a week ahead?
Could somebody find us two seats for the opera, anywhere but the gallery?
= billing
You charged the minibar, but I have had nothing except the free water.
Can the invoice be made out to my employer instead of me?
% line from a captain's log
= weather
Wind backed north-west, force seven by noon, glass still falling.
Fog so thick at dawn that the bow was lost from the wheelhouse.
= crew
The cook and the second mate no longer speak; I have moved the second mate's watch.
Young Pereira was made able seaman today, to loud applause.
= cargo
Eleven crates of lamp oil were found leaking and have been shifted to the deck.
The wool took in water in the aft hold and will fetch half its price.
= position
Sighted the twin peaks of the island at 16:20, bearing south by east.
By the stars we stand two degrees further west than reckoned.
% entry in a museum's visitor book
= enchanted
I forgot the time completely in front of the whale. Thank you for this place.
We came in from the rain for ten minutes and stayed four hours.
= disappointed
Half of the rooms were roped off and nobody told us at the till.
The famous clock was on loan. We had driven three hours for it.
= suggestion
A few chairs in the long gallery would help visitors of my age.
Why not print the captions larger and hang them lower, for children?
= off the point
Timo was here with class 4b and Lukas still owes him a biscuit.
Free kittens, ring the blue house behind the church.
% sentence about a product
= praise
The zip has survived two winters of daily use and still glides.
Honestly the best kettle that ever stood on our counter.
= blame
The left sole came off on the second walk.
It arrived without screws, and the support line plays a waltz for ever.
= plain fact
The lid is made of beech and measures twelve centimetres across.
It comes in two sizes and runs on three batteries.
= question
Does the blade fit the older model as well?
Can the cover be washed at sixty degrees?
% mail to a city council
= noise
The bottle bank under our window is emptied at five in the morning.
Since the bar put its tables outside, my children cannot sleep before midnight.
= street light
The lamp in front of number 18 has been flickering for weeks.
It is pitch dark on the footpath between the school and the pool.
= waste
Our brown bin was skipped for the third time, and it is beginning to walk by itself.
Somebody left a fridge and two mattresses beside the playground.
= permit
I want to hang a banner across the lane for the choir's jubilee. Whom do I ask?
Do I need a paper to put a skip on the pavement for two days?
% chat message to a bank
= standing order
Please stop the sum that goes to the sports club on the first of each month.
From July on my rent is forty higher, so what goes out automatically must follow.
= stolen card
Somebody has paid for petrol in a country I have never been to, and my purse is gone.
Pickpocketed on the tram ten minutes ago. Block whatever was in there!
= loan
We would like to buy a small van for the bakery, could you lend us part of it?
What would I pay a month if I spread eight thousand over four years?
= account details
I've married and want my new surname on everything.
Where in the app is the long number that others need to send me money?
% remark in a code review
= naming
What is `tmp2` supposed to hold? I had to read forty lines to find out.
Could the method say that it deletes things? `handle` tells me nothing.
= test missing
Nothing checks the empty list, and that is where it broke last time.
I see the fix but no case that failed before it.
= security
The password is written to the log in plain text here.
This string goes straight from the form into the query.
= nitpick
Two blank lines, and the comment ends without a full stop.
I would have sorted these imports, but suit yourself.
% line of a crime novel
= motive
Without the will, Edgar would not have got a penny, and Edgar had debts in three towns.
She had found the letters, and anyone who finds such letters wants revenge.
= alibi
The choir swore that he had sung the whole of the second part with them.
At that hour her scooter stood in the workshop with its engine on the bench.
= clue
A single blue thread clung to the latch of the pantry window.
The dust on the shelf was missing in the shape of a small square box.
= atmosphere
The moor breathed a grey light, and somewhere a door forgot to close.
Rain ticked on the glasshouse like a clock with too many hands.
% question to a pharmacist
= dosage
Is it one spoon or two for a child of twenty kilos?
May I take the next one after four hours, or must it be six?
= side effect
Since I started the drops my hands shake a little in the evening.
Can these tablets be the reason why food tastes of metal?
= interaction
I drink grapefruit juice each morning; does that matter with the pills for my heart?
Can the allergy spray be used together with the cortisone cream?
= storage
We left the insulin in the car, in the sun, for an afternoon. Still good?
Does the syrup have to stand in the fridge once it is open?
% message to a landlord
= repair
The shower tray has sunk at one corner and water runs under the tiles.
Our hall window is cracked from top to bottom after the hail.
= rent
I can only send half by the third, the rest follows on the tenth.
The figure on your letter is nine euros higher than what we agreed on.
= neighbours
Whoever lives above us drags furniture at one in the morning.
Somebody keeps leaving prams in front of the emergency exit.
= moving out
We have found a house and would like to be free of the contract by August.
When could you come for the final look, and who reads the meters?
% instruction in a recipe
= prepare
Peel the parsnips and cut them into sticks as thick as a finger.
Soak the lentils in cold water overnight.
= cook
Simmer with the lid half on until the sauce coats a spoon.
Roast at two hundred degrees, turning once.
= season
Add the juice of a lime, a little salt, and taste again.
Grate nutmeg over everything, but be sparing.
= serve
Bring it to the table in the pan, with bread and a green salad.
Dust with sugar and hand round while still warm.
% voice command for a car
= climate
I am freezing back here, my feet above all.
Clear the windscreen, I cannot see a thing.
= media
Skip this and put on the podcast about volcanoes.
A bit quieter please, the baby has dropped off.
= navigation
Is there a way round the tunnel that avoids the toll?
Take us to the nearest charging point with a café.
= phone
Read me what Jonas wrote.
Tell my sister that I'll be there by eight.
% statement in a school essay
= cause
Because the harbour silted up, the merchants moved to the next bay.
The dam was built too low, which is why the valley flooded in spring.
= consequence
As a result, bread cost twice as much within a month.
From then on nobody was allowed to fish there without a licence.
= example
Take the town of Bruges, whose cloth hall still stands today.
Sparrows, for instance, learn to open milk bottles.
= opinion
In my view the mayor should have asked the farmers first.
I find that zoos teach children less than one walk in a forest.
% mail to a railway
= refund
The sleeper had no heating, so I would like part of the fare back.
My train was cancelled, I took the coach, and I still hold the unused ticket.
= reservation
We need two places in the carriage where bicycles hang.
Please put my mother beside the window and facing forward.
= accessibility
Is there a ramp at the small station, or does somebody help with a wheelchair?
I am blind and travel with a guide dog; where do I find the lift on platform two?
= compliment
Your guard found my daughter's toy rabbit and sent it after us. What a person!
On time to the minute, and the soup in the dining car was superb.
% headline
= science
Ants found to farm fungus at twice the speed once thought
Frozen mammoth tooth gives up a million-year-old virus
= sport
Keeper saves three penalties on her first night
Rower aged seventy crosses the lake in record time
= money
Coffee growers ask for a floor under bean prices
Family savings shrink for the fourth quarter running
= arts
Lost overture turns up inside a piano stool
Street painter given a wall on the national theatre
% reply to an invitation
= accepts
Wild horses could not keep me away.
Count me in, and I will bring the good cheese.
= declines
I am on night shift that week, so raise a glass for me.
Sadly not, we'll be at my aunt's until Sunday.
= undecided
Ask me again once I know whether the sitter can come.
It hangs on the car, and the car hangs on the garage.
= asks back
Is there anything for somebody who eats no meat?
May I bring my cousin who is staying with us?
% log line of a server
= authentication
user kim: 3 failed attempts from 10.0.4.7, locked for 15 min
token of session 8f1c expired, asked to sign in again
= disk
/var/data is 97 % full, 2 GiB left
write to volume b2 failed: no space left
= network
peer node-6 unreachable, retry 4 of 5 in 8 s
dns lookup for mirror.example timed out
= scheduler
job nightly-report started 12 min late, previous run overran
cron: skipped backup, lock held since 02:00
% wish told to a tailor
= shorten
The sleeves cover my knuckles, two centimetres less would do.
These trousers fold over my shoes like an accordion.
= let out
I have enjoyed the holidays and the top button tells the tale.
Can you gain a little at the shoulders? It pulls when I reach up.
= mend
The lining has torn where I keep my keys.
A moth dined on the left elbow.
= new piece
I need something for a wedding in June, light, not black.
Could you copy this waistcoat in grey wool?
% comment about a colleague's talk
= content
You skipped the one experiment that I had come for.
The part on tidal mills taught me more than a whole book.
= delivery
You speak to the screen, so we heard every second word.
Lovely pace, with pauses just where one needed them.
= slides
White on yellow cannot be read from row three.
One picture a page, and not a word too many: bravo.
= timing
We ran over by twelve minutes and lost the coffee.
You could drop a third and nobody would miss it.
% message in a dog owners' group
= training
Ours pulls like a tractor as soon as she sees another dog.
How long did it take until yours came back when called?
= health
He has been licking the same paw raw for three days.
Which of you has had a hip looked at, and by whom?
= lost and found
Brown terrier without a collar sits in front of the chemist's.
Bella slipped her lead near the weir; please look into your sheds.
= offer
We have a crate that the pup has outgrown, free to whoever fetches it.
I can walk two more in the mornings, I pass the park anyway.
% sentence from a contract
= payment
Invoices fall due thirty days after receipt.
A tenth of the sum is held back until the roof has passed its test.
= termination
Either side may end the agreement with three months' notice.
If the supplier becomes insolvent, the order lapses at once.
= liability
The carrier answers for damage only up to the value of the goods.
Neither party is responsible for delays caused by flood or war.
= secrecy
Drawings must not be shown to third parties.
This duty of silence lasts five years beyond the last delivery.
% diary line
= cheerful
The swallows are back and so is my appetite for everything.
We laughed so much that the soup got cold.
= sad
Grandfather's chair is still by the window and nobody sits in it.
I packed the last box and the flat sounded hollow.
= afraid
There it was again, the step on the stair, and I am alone tonight.
The envelope from the clinic lies on the table; I cannot open it.
= annoyed
For the third time this week he has parked across our gate.
Two hours in line, and then the clerk went to lunch.
% question put to a library
= renew
May I keep the atlas for another fortnight?
Somebody wants my novel, but I have eighty pages left. Can it be extended?
= find a book
I am after a story about a girl who lives in a lighthouse, it had a red cover.
Do you have anything on the salt trade in the Alps?
= opening
Is the reading room open on the eve of the holiday?
Until when can one bring things back on a Saturday?
= fees
How did two days late become four euros?
Does the card cost anything for pupils?
"""


def sets():
    """(what it is, [(label, text)], [labels]) for every set."""
    found = []
    for block in ("\n" + SETS.strip()).split("\n% ")[1:]:
        head, *lines = block.strip().split("\n")
        pairs, label, labels = [], None, []
        for line in lines:
            if line.startswith("= "):
                label = line[2:]
                labels.append(label)
            else:
                pairs.append((label, line))
        found.append((head, pairs, labels))
    return found
