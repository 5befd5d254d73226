"""Short passages written for this set, with questions whose answers stand in them word for word, and the one sentence
that carries the news. Data only: `= ` opens a passage, `> ` marks its main sentence, `? question | answer` follow."""

PASSAGES = """
= The mill on the Orrin was built in 1788 to grind oats. When the railway came, flour from the coast was cheaper, and the stones stood still for forty years. > In 1931 the potter Edda Vance bought the empty building and put her kiln where the hopper had been. Her cups are still made there.
? In which year was the mill built? | 1788
? Who bought the empty building? | Edda Vance
? What did the mill grind at first? | oats
= Every September the village of Talk weighs its pumpkins on the church scales. > This year the winner, grown by two sisters, was so heavy that the beam of the scales broke. The sisters say that they fed it with cold tea. Second place went to the postman.
? Who came second? | the postman
? What was the pumpkin fed with? | cold tea
? Which part of the scales broke? | the beam
= The night train to Varde has three sleeping cars and a dining car that closes at ten. Passengers with bicycles must book the van at the rear. > From Monday on it will no longer stop at Hollin, because the platform there is being rebuilt. A bus runs instead.
? Where will the train no longer stop? | Hollin
? When does the dining car close? | ten
? What runs instead of the train? | a bus
= Our bees swarmed on the second of May and hung in the plum tree like a brown beard. A neighbour who keeps goats lent us his ladder. > By evening we had talked the whole swarm into an old straw basket. Honey, he says, is not to be expected before next summer.
? In which tree did the bees hang? | the plum tree
? What did the neighbour lend? | his ladder
? What does the neighbour keep? | goats
= Professor Ilves spent eleven winters counting owls from a hide above the marsh. Most birds returned to the same three oaks. > Her notebooks show that the owls breed nine days earlier than they did when she began. The marsh itself has shrunk by a quarter.
? What did the professor count? | owls
? By how much has the marsh shrunk? | a quarter
? How many winters did she spend there? | eleven
= The old lift in the Kessler building runs on water. A tank on the roof is filled, the cabin sinks, and the water drains into the cellar. > After a hundred and ten years the engineers found that only a single leather ring had to be replaced. It was cut from a saddle.
? What does the lift run on? | water
? What was the ring cut from? | a saddle
? Where does the water drain to? | the cellar
= Mr Odeh opens his bakery at four, but the queue starts at half past three. He bakes only rye and only until the flour of the day is gone. > Last week he handed the key to his granddaughter, who intends to add one thing: rolls with caraway. The queue has been informed.
? What time does the bakery open? | four
? Who got the key? | his granddaughter
? Which spice will the rolls have? | caraway
= The bridge at Nant has been measured every spring since it was opened. It swings a finger's width in a gale and returns to its place. > This spring it did not return, and the county closed it within the hour. Lorries now go round by Elsby, which takes forty minutes.
? Who closed the bridge? | the county
? Where do lorries go round? | Elsby
? How long does the detour take? | forty minutes
= Whoever joins the choir must bring a chair, a pencil and patience. Rehearsals are on Tuesdays in the gym, since the hall has no heating. > For the spring concert the choir is looking for two basses and somebody who can turn pages. The conductor pays in plum cake.
? On which day are rehearsals? | Tuesdays
? What does the conductor pay in? | plum cake
? Where does the choir rehearse? | the gym
= A goldfish named Admiral has lived in the pond of the town hall for twenty-three years. He eats from the hand of the caretaker, and of nobody else. > When the caretaker retired last month, the council voted to give the fish a pension of one tin of flakes a week. It was a narrow vote.
? What is the goldfish called? | Admiral
? Where does the fish live? | the pond of the town hall
? Who feeds him? | the caretaker
= The lighthouse keeper wrote down each ship that passed, with its flag and its cargo if she could guess it. > The forty volumes have now been copied by pupils of the island's school, letter by letter. Herring is spelled in nine ways. The school is asking for a tenth.
? How many volumes are there? | forty
? Who copied the volumes? | pupils of the island's school
? Which fish is spelled in nine ways? | herring
= Two hikers followed the yellow marks where they should have followed the white ones. They spent the night in a hay barn with a donkey for company. > In the morning the donkey led them straight down to the bus stop. The farmer says it goes there every day, because of the driver's apples.
? Which marks should they have followed? | the white ones
? Where did they spend the night? | in a hay barn
? What does the driver give the donkey? | apples
= Glass from the works at Lauben is a little green, because the sand of the valley holds iron. Buyers in the city once wanted it clear, and the works nearly closed. > Today the green is what people come for, and the furnace burns day and night. Sand is taken only from the lower pit.
? Why is the glass green? | because the sand of the valley holds iron
? From which pit is sand taken? | the lower pit
? What colour did buyers once want? | clear
= The clinic has moved from the second floor to the former post office. Prams and wheelchairs enter from the yard. > Blood is now taken without an appointment, between seven and nine each weekday. The telephone number has stayed the same.
? Where has the clinic moved to? | the former post office
? Between which hours is blood taken? | between seven and nine
? What has stayed the same? | the telephone number
= Ropes used to be twisted in a shed four hundred paces long, and boys ran the whole length all day. > When the shed burned down, the ropemaker's widow had the machine built that made the boys needless, and later the shed too. One of the boys became her engineer.
? How long was the shed? | four hundred paces
? Who had the machine built? | the ropemaker's widow
? What did one of the boys become? | her engineer
= On the first of the month the ferry raises its fares by fifty cents. Pupils and cows remain free. > A new boat, bought second-hand from a lake in the north, will take over in June and needs only six minutes for the crossing. The old one becomes a café.
? What will the old boat become? | a café
? How long will the new boat need? | six minutes
? Who remains free besides cows? | pupils
= The comet was seen first by a baker on his way home. He took it for a street lamp that had come loose. > Astronomers have confirmed his find, and the comet will bear his family name, Moretti. He has asked whether it could be named after his sourdough instead.
? What is the baker's family name? | Moretti
? What did he take the comet for? | a street lamp
? Who confirmed the find? | astronomers
= Nobody knows who paints the doors of Fern Lane. It happens at night, one door a month, always with a bird. > Last Thursday the owner of number nine sat up with a thermos, fell asleep, and woke to a kingfisher on her own gate. She has decided not to investigate further.
? Which bird was painted on the gate? | a kingfisher
? What is always painted? | a bird
? Which house number does the owner live at? | nine
= The factory made buttons from shells until plastic took its place. > Divers have now found two tons of blanks in the river, already drilled, each with four holes. A museum wants them, and so does a fashion house from Milan. The river belongs to the crown.
? What were buttons made from? | shells
? How many tons were found? | two
? Where is the fashion house from? | Milan
= Anyone who borrows a telescope from the library gets a red torch and a map of the sky along with it. Loans run for a week. > The waiting list for clear nights in August has grown to eighty names. For cloudy nights there is no list.
? How long do loans run? | a week
? What colour is the torch? | red
? How many names are on the list? | eighty
= A tunnel between the two cellars was found when the brewery renewed its drains. It is tall enough for a child. > The town's archivist believes that it was dug to move beer past the tax office. A coin from 1641 lay on the floor, and a very small shoe.
? What was found when the drains were renewed? | a tunnel
? What year was the coin from? | 1641
? What lay on the floor besides a coin? | a very small shoe
= The weather station on the Rauk sends a reading every ten minutes. In the storm of January it sent the same one for nine hours. > When the wardens reached it on skis, they found the wind gauge frozen and a fox asleep in the battery box. The fox was allowed to finish.
? How often does the station send a reading? | every ten minutes
? What was asleep in the battery box? | a fox
? How did the wardens travel? | on skis
"""


def passages():
    """(text, main sentence, [(question, answer)])."""
    found = []
    for block in ("\n" + PASSAGES.strip()).split("\n= ")[1:]:
        text, *questions = block.strip().split("\n")
        main = text.split("> ")[1]
        end = min(at for at in (main.find(". "), main.find("? "), main.find("! "), len(main)) if at >= 0)
        pairs = [tuple(part.strip() for part in line[2:].split(" | ")) for line in questions]
        found.append((text.replace("> ", ""), main[: end + 1], pairs))
    return found
