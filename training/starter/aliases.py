"""Hand-written names for the labels of the public data sets.

Every intent gets other names it could go by, and every slot type too.  During training a label is shown
under a randomly drawn name, so the model has to read the labels in the prompt instead of remembering them.
"""


def table(text):
    """Parse lines of `name: alias | alias` into {name: [alias, ...]}."""
    out = {}
    for line in text.strip().splitlines():
        name, _, rest = line.partition(":")
        out[name.strip()] = [alias.strip() for alias in rest.split("|") if alias.strip()]
    return out


CLINC = table("""
translate: translation | say something in another language | foreign phrase
transfer: move money | transfer money | send funds between accounts
timer: set a timer | countdown | start timer
definition: word meaning | define a word | dictionary lookup
meaning_of_life: philosophy | purpose of life | why are we here
insurance_change: switch insurance | update insurance plan | new insurance policy
find_phone: locate phone | where is my phone | lost phone
travel_alert: travel safety | travel warnings | is it safe to go
pto_request: request vacation | ask for days off | leave request
improve_credit_score: raise credit score | better credit rating | credit tips
fun_fact: trivia | interesting fact | tell me something interesting
change_language: language settings | switch language | use another language
payday: next paycheck | pay date | when do i get paid
replacement_card_duration: new card wait | how long for replacement card | card arrival time
time: current time | clock | what time is it
application_status: credit card application | application progress | was i approved
flight_status: flight information | is my flight on time | flight delays
flip_coin: coin toss | heads or tails | toss a coin
change_user_name: rename user | update my name | call me something else
where_are_you_from: assistant origin | where were you made | your birthplace
shopping_list_update: add to shopping list | edit grocery list | shopping list change
what_can_i_ask_you: help | assistant abilities | what can you do
maybe: not sure | undecided | perhaps
oil_change_how: how to change oil | oil change instructions | changing motor oil
restaurant_reservation: book a table | reserve restaurant | dinner booking
balance: account balance | money in bank | bank balance
confirm_reservation: check booking | reservation confirmation | verify reservation
freeze_account: block account | lock account | put account on hold
rollover_401k: retirement account | move 401k | pension transfer
who_made_you: assistant creator | your maker | who built you
distance: how far | travel distance | time to get there
user_name: my name | what am i called | who am i
timezone: time zone | zone of a place | local time zone
next_song: skip song | next track | play another song
transactions: recent purchases | transaction history | account activity
restaurant_suggestion: find restaurants | where to eat | restaurant recommendations
rewards_balance: reward points | points balance | card rewards
pay_bill: make a payment | bill payment | pay my bill
spending_history: how much i spent | spending report | expenses
pto_request_status: vacation approval | leave request status | was my time off approved
credit_score: credit rating | check credit score | my credit
new_card: apply for a card | open credit card | get a new card
lost_luggage: missing bags | lost suitcase | baggage problem
repeat: say again | repeat that | what did you say
mpg: fuel economy | gas mileage | miles per gallon
oil_change_when: next oil change | oil change due | when to change oil
travel_suggestion: things to do | tourist attractions | sightseeing tips
insurance: insurance coverage | my benefits | health plan
todo_list_update: add a task | edit to do list | change tasks
reminder: list reminders | my reminders | what should i remember
change_speed: talk faster or slower | speech speed | speaking rate
tire_pressure: air in tires | tyre pressure | tire air level
no: negative answer | disagree | decline
apr: card interest | annual percentage rate | credit card rate
nutrition_info: food nutrition | nutrients | how healthy is it
calendar: check calendar | my events | schedule lookup
uber: call a ride | order a taxi | ride share
calculator: math | arithmetic | calculate
date: current date | what day is it | today's date
carry_on: hand luggage rules | cabin baggage | carry on policy
pto_used: vacation days taken | days off used | used leave
schedule_maintenance: book car service | car service appointment | mechanic visit
travel_notification: tell bank about trip | travel notice | notify bank of travel
sync_device: connect phone | pair device | device syncing
thank_you: thanks | gratitude | being grateful
roll_dice: dice roll | throw dice | roll a die
food_last: shelf life | food freshness | how long food keeps
cook_time: cooking time | how long to cook | baking time
reminder_update: set a reminder | new reminder | remind me
report_lost_card: lost card | stolen card | card missing
ingredient_substitution: replace ingredient | food substitute | swap ingredients
make_call: phone call | call someone | dial
alarm: set alarm | wake up call | morning alarm
todo_list: my tasks | to do list | things i must do
change_accent: assistant accent | different voice | voice accent
w2: tax form | wage statement | w-2 form
bill_due: due date | when is my bill due | payment deadline
calories: calorie count | how many calories | food energy
damaged_card: broken card | card is damaged | cracked card
restaurant_reviews: restaurant ratings | is the restaurant good | dining reviews
routing: routing number | bank routing code | bank code
do_you_have_pets: assistant pets | your pets | do you own animals
schedule_meeting: book meeting | set up a meeting | meeting room
gas_type: fuel type | kind of gas | which fuel
plug_type: power plug | socket adapter | electric outlet
tire_change: change a tire | flat tire | replace tyre
exchange_rate: currency rate | currency conversion | foreign exchange
next_holiday: upcoming holiday | public holiday | day off calendar
change_volume: volume | sound level | louder or quieter
who_do_you_work_for: your boss | assistant employer | your company
credit_limit: spending limit | card limit | maximum credit
how_busy: waiting time | is it crowded | how crowded
accept_reservations: takes reservations | can i book there | booking possible
order_status: track order | where is my package | delivery tracking
pin_change: change pin | new pin number | reset pin
goodbye: farewell | bye | end conversation
account_blocked: locked account | account on hold problem | why is account blocked
what_song: song name | identify song | which song is playing
international_fees: foreign transaction fees | charges abroad | overseas fees
last_maintenance: last car service | previous checkup | service history
meeting_schedule: my meetings | meetings today | list meetings
ingredients_list: recipe ingredients | what goes in it | needed ingredients
report_fraud: fraud | suspicious charge | fraudulent transaction
measurement_conversion: unit conversion | convert units | inches to centimeters
smart_home: home devices | lights and thermostat | home control
book_hotel: hotel booking | find a room | reserve hotel
current_location: where am i | my location | my position
weather: weather forecast | rain or sun | temperature outside
taxes: tax information | owed taxes | filing taxes
min_payment: minimum payment | least i can pay | minimum due
whisper_mode: quiet voice | speak softly | whisper
cancel: stop that | never mind | abort
international_visa: travel visa | visa requirements | need a visa
vaccines: shots for travel | vaccination | travel vaccines
pto_balance: vacation days left | remaining days off | leave balance
directions: navigation | how to get there | route
spelling: spell a word | how to spell | correct spelling
greeting: hello | saying hi | welcome
reset_settings: factory reset | restore defaults | default settings
what_is_your_name: assistant name | your name | what are you called
direct_deposit: salary deposit | deposit paycheck | set up direct deposit
interest_rate: savings interest | bank interest | account interest
credit_limit_change: raise credit limit | increase limit | higher credit limit
what_are_your_hobbies: assistant hobbies | your free time | your interests
book_flight: plane tickets | flight booking | fly somewhere
shopping_list: what is on my shopping list | grocery list | read shopping list
text: send a text | text message | sms
bill_balance: bill amount | how much is my bill | amount owed
share_location: send my location | share position | location sharing
redeem_rewards: use points | cash in rewards | spend reward points
play_music: music | play a song | listen to music
calendar_update: add event | change calendar | new appointment
are_you_a_bot: human or machine | is this a robot | talking to a computer
gas: fuel level | gas left | fuel tank
expiration_date: card expiry | when card expires | card valid until
update_playlist: add song to playlist | playlist change | save song
cancel_reservation: cancel booking | drop reservation | call off dinner booking
tell_joke: joke | make me laugh | something funny
change_ai_name: rename assistant | new name for you | assistant nickname
how_old_are_you: assistant age | your age | when were you made
car_rental: rent a car | hire car | rental vehicle
jump_start: dead battery | start car with cables | car battery
meal_suggestion: what to eat | dinner ideas | food ideas
recipe: how to make a dish | cooking instructions | cook something
income: my salary | earnings | how much i earn
order: buy something | place an order | purchase
traffic: road conditions | congestion | traffic jam
order_checks: new checkbook | checks by mail | get more checks
card_declined: declined card | card did not work | payment refused
yes: agree | positive answer | confirm
""")

CLINC_DOMAINS = table("""
banking: transfer | transactions | balance | freeze_account | pay_bill | bill_balance | bill_due | interest_rate | routing | min_payment | order_checks | pin_change | report_fraud | account_blocked | spending_history
credit cards: credit_score | report_lost_card | credit_limit | rewards_balance | new_card | application_status | card_declined | international_fees | apr | redeem_rewards | credit_limit_change | damaged_card | replacement_card_duration | improve_credit_score | expiration_date
food: recipe | restaurant_reviews | calories | nutrition_info | restaurant_suggestion | ingredients_list | ingredient_substitution | cook_time | food_last | meal_suggestion | restaurant_reservation | confirm_reservation | how_busy | cancel_reservation | accept_reservations
home: shopping_list | shopping_list_update | next_song | play_music | update_playlist | todo_list | todo_list_update | calendar | calendar_update | what_song | order | order_status | reminder | reminder_update | smart_home
cars: traffic | directions | gas | gas_type | distance | current_location | mpg | oil_change_when | oil_change_how | jump_start | uber | schedule_maintenance | last_maintenance | tire_pressure | tire_change
travel: book_flight | book_hotel | car_rental | travel_suggestion | travel_alert | travel_notification | carry_on | timezone | vaccines | translate | flight_status | international_visa | lost_luggage | plug_type | exchange_rate
utilities: time | alarm | share_location | find_phone | weather | text | spelling | make_call | timer | date | calculator | measurement_conversion | flip_coin | roll_dice | definition
work: direct_deposit | pto_request | taxes | payday | w2 | pto_balance | pto_request_status | next_holiday | insurance | insurance_change | schedule_meeting | pto_used | meeting_schedule | rollover_401k | income
small talk: greeting | goodbye | tell_joke | where_are_you_from | how_old_are_you | what_is_your_name | who_made_you | thank_you | what_can_i_ask_you | what_are_your_hobbies | do_you_have_pets | are_you_a_bot | meaning_of_life | who_do_you_work_for | fun_fact
assistant settings: change_ai_name | change_user_name | cancel | user_name | reset_settings | whisper_mode | change_accent | change_language | change_speed | change_volume | sync_device | repeat
""")

DOMAIN_NAMES = table("""
banking: bank | banking | bank account | money
credit cards: credit cards | credit card | card services
food: food | kitchen and dining | cooking and restaurants | dining
home: home | household | music and lists
cars: cars | auto and commute | driving | vehicle
travel: travel | trips | holiday travel
utilities: utilities | tools | everyday tools
work: work | job and pay | human resources | office
small talk: small talk | chit-chat | chat
assistant settings: assistant settings | settings | preferences
alarm: alarm | alarms | wake-up
audio: audio | volume | sound
calendar: calendar | schedule | appointments
cooking: cooking | recipes | kitchen
datetime: date and time | datetime | clock
email: email | mail | inbox
general: general | conversation | chat
iot: smart home | home devices | home automation
lists: lists | list management | notes
music: music settings | music | music preferences
news: news | headlines | current events
play: play media | entertainment | playback
qa: questions | general knowledge | facts
recommendation: recommendations | suggestions | tips
social: social media | posts | social network
takeaway: takeaway | food delivery | takeout
transport: transport | travel | transportation
weather: weather | forecast | climate
""")

BANKING = table("""
card_arrival: card not arrived | waiting for card | where is my card
card_linking: link card | add card to app | reconnect found card
exchange_rate: currency rate | exchange rates | conversion rate
card_payment_wrong_exchange_rate: wrong rate on purchase | bad exchange rate for payment | incorrect rate on card payment
extra_charge_on_statement: unexpected fee | strange charge | extra fee on statement
pending_cash_withdrawal: withdrawal pending | atm withdrawal not completed | cash still processing
fiat_currency_support: supported currencies | which currencies | currency support
card_delivery_estimate: delivery time of card | when will card come | card shipping time
automatic_top_up: auto top up | automatic refill | recurring top up
card_not_working: broken card | card problem | my card fails
exchange_via_app: exchange money in app | swap currencies | currency exchange
lost_or_stolen_card: lost card | stolen card | card missing
age_limit: minimum age | age requirement | account for children
pin_blocked: blocked pin | too many pin tries | pin locked
contactless_not_working: contactless problem | tap to pay fails | contactless payments
top_up_by_bank_transfer_charge: fee for bank transfer top up | transfer top up cost | charge for adding money by transfer
pending_top_up: top up pending | top up not through | waiting for top up
cancel_transfer: stop transfer | undo payment | reverse transfer
top_up_limits: maximum top up | top up cap | limit on adding money
wrong_amount_of_cash_received: atm gave wrong amount | wrong cash | less cash than asked
card_payment_fee_charged: fee on card payment | charged for paying | payment fee
transfer_not_received_by_recipient: transfer missing | recipient did not get money | money never arrived
supported_cards_and_currencies: accepted cards | which cards can top up | card types for adding money
getting_virtual_card: virtual card | order virtual card | get online card
card_acceptance: where card works | shops taking card | where can i use card
top_up_reverted: top up returned | top up was cancelled | top up reversed
balance_not_updated_after_cheque_or_cash_deposit: deposit not showing | cash deposit missing | cheque not credited
card_payment_not_recognised: unknown payment | payment i did not make | unrecognized purchase
edit_personal_details: change address or name | update details | personal information
why_verify_identity: reason for identity check | why id is needed | identity check purpose
unable_to_verify_identity: identity check fails | cannot prove identity | verification problem
get_physical_card: real card | physical card pin | plastic card
visa_or_mastercard: card network | visa or master | card brand
topping_up_by_card: top up with card | add money by card | card top up
disposable_card_limits: limit of disposable cards | how many disposable cards | disposable card rules
compromised_card: card details stolen | someone used my card | card security
atm_support: which atms | cash machines | atm use
direct_debit_payment_not_recognised: unknown direct debit | unrecognized debit | debit i did not set up
passcode_forgotten: forgot passcode | password lost | reset passcode
declined_cash_withdrawal: withdrawal refused | atm declined | cannot get cash
pending_card_payment: payment pending | payment still processing | card payment not complete
lost_or_stolen_phone: lost phone | phone was stolen | missing phone
request_refund: refund | get money back | want a refund
declined_transfer: transfer refused | transfer was declined | transfer rejected
Refund_not_showing_up: missing refund | refund not received | refund delay
declined_card_payment: payment refused | card declined | purchase rejected
pending_transfer: transfer pending | transfer in progress | transfer not done yet
terminate_account: close account | delete account | leave the bank
card_swallowed: machine kept card | atm took my card | card stuck in atm
transaction_charged_twice: double charge | charged two times | duplicate payment
verify_source_of_funds: source of money | where funds come from | proof of funds
transfer_timing: how long transfers take | transfer duration | transfer speed
reverted_card_payment?: payment returned | payment was reversed | reverted payment
change_pin: new pin | pin change | update pin
beneficiary_not_allowed: beneficiary problem | cannot add recipient | recipient not allowed
transfer_fee_charged: fee on transfer | transfer cost | charged for transfer
receiving_money: get paid | salary into account | receive money
failed_transfer: transfer failed | transfer error | transfer did not work
transfer_into_account: add money by transfer | transfer money in | bank transfer to my account
verify_top_up: top up verification | verify code for top up | confirm top up
getting_spare_card: second card | extra card | additional card
top_up_by_cash_or_cheque: deposit cash | pay in a cheque | cash top up
order_physical_card: order a card | send me a card | request card
virtual_card_not_working: virtual card problem | virtual card fails | online card rejected
wrong_exchange_rate_for_cash_withdrawal: wrong rate at atm | bad cash exchange rate | incorrect rate for cash
get_disposable_virtual_card: disposable card | one time card | throwaway card
top_up_failed: top up error | top up did not work | top up rejected
balance_not_updated_after_bank_transfer: transfer not in balance | balance unchanged after transfer | money from transfer not shown
cash_withdrawal_not_recognised: unknown withdrawal | cash taken by someone | withdrawal i did not make
exchange_charge: currency exchange fee | exchange cost | fee for exchanging
top_up_by_card_charge: fee for card top up | card top up cost | charge for adding money by card
activate_my_card: activate card | card activation | start using card
cash_withdrawal_charge: fee for cash | atm fee | withdrawal cost
card_about_to_expire: expiring card | card expires soon | replace old card
apple_pay_or_google_pay: mobile wallet | apple pay | google pay
verify_my_identity: identity check | prove identity | id documents
country_support: supported countries | which countries | where you operate
""")

HWU = table("""
alarm_query: check alarms | list alarms | my alarms
alarm_remove: delete alarm | cancel alarm | turn off alarm
alarm_set: set alarm | new alarm | wake me up
audio_volume_down: lower volume | quieter | volume down
audio_volume_mute: mute | silence | no sound
audio_volume_up: raise volume | louder | volume up
calendar_query: check calendar | my appointments | upcoming events
calendar_remove: delete event | cancel appointment | remove from calendar
calendar_set: add event | new appointment | put on calendar
cooking_recipe: recipe | how to cook | cooking help
datetime_convert: time in another zone | convert time | time difference
datetime_query: current time or date | what time is it | today's date
email_addcontact: add contact | save email address | new contact
email_query: check email | new mails | read inbox
email_querycontact: find contact | contact details | someone's phone number
email_sendemail: send email | write a mail | reply by email
general_affirm: yes | agreement | correct
general_commandstop: stop | cancel command | stop talking
general_confirm: check understanding | please confirm | verify command
general_dontcare: no preference | does not matter | either is fine
general_explain: explain more | clarify | what do you mean
general_joke: joke | funny | make me laugh
general_negate: no | wrong | disagree
general_praise: praise | compliment | well done
general_quirky: odd chat | random talk | strange question
general_repeat: repeat | say again | once more
iot_cleaning: vacuum | clean the house | robot cleaner
iot_coffee: make coffee | coffee machine | brew coffee
iot_hue_lightchange: change light color | light colour | lamp color
iot_hue_lightdim: dim lights | darker | lower brightness
iot_hue_lightoff: lights off | turn off lamp | switch light off
iot_hue_lighton: lights on | turn on lamp | switch light on
iot_hue_lightup: brighter lights | raise brightness | more light
iot_wemo_off: socket off | turn off plug | switch off outlet
iot_wemo_on: socket on | turn on plug | switch on outlet
lists_createoradd: add to list | new list | create list
lists_query: check list | read my list | what is on the list
lists_remove: delete from list | remove list | erase item
music_likeness: like this song | music taste | rate song
music_query: song information | who sings this | what is playing
music_settings: repeat or shuffle | music options | player settings
news_query: news | headlines | current events
play_audiobook: audiobook | read a book aloud | continue audiobook
play_game: start a game | play a game with me | gaming
play_music: play a song | listen to music | start music
play_podcasts: podcast | play podcast | next episode
play_radio: radio | radio station | tune in
qa_currency: exchange rate | currency conversion | convert money
qa_definition: definition | word meaning | define
qa_factoid: fact question | general knowledge | trivia
qa_maths: math | calculation | arithmetic
qa_stock: stock price | share price | stock market
recommendation_events: local events | things to do | events nearby
recommendation_locations: places nearby | find a place | shops and restaurants
recommendation_movies: movies | films in cinema | movie suggestion
social_post: post on social media | tweet | publish a post
social_query: check social media | my feed | notifications
takeaway_order: order food | food delivery order | order a pizza
takeaway_query: delivery question | does it deliver | food order status
transport_query: route | travel information | train times
transport_taxi: taxi | call a cab | book a ride
transport_ticket: train ticket | buy ticket | book train
transport_traffic: traffic | road conditions | traffic jam
weather_query: weather | forecast | will it rain
""")

SNIPS = table("""
AddToPlaylist: add to playlist | save song to playlist | playlist update
BookRestaurant: book a table | restaurant booking | reserve a restaurant
GetWeather: weather | weather forecast | get the weather
PlayMusic: play music | music playback | listen to a song
RateBook: rate a book | book rating | give stars to a book
SearchCreativeWork: find a work | search for a title | look up a show or book
SearchScreeningEvent: movie times | cinema schedule | film showings
""")

SLOTS = table("""
music_item: music item | kind of music item | song or album
playlist: playlist | playlist name | list name
artist: artist | singer | musician | band
playlist_owner: playlist owner | owner
entity_name: entity name | title
restaurant_type: restaurant type | kind of place | venue type
city: city | town
spatial_relation: spatial relation | nearness | how near
party_size_number: party size | number of people | guests | seats
state: state | region
country: country | nation
restaurant_name: restaurant name | restaurant
party_size_description: guests | who is coming | party
served_dish: dish | food
cuisine: cuisine | style of food
facility: facility | amenity
poi: place of interest | landmark
sort: sort order | quality wanted
timeRange: time | time range | when | date
condition_temperature: temperature | hot or cold
condition_description: weather condition | condition
geographic_poi: park or landmark | natural place
current_location: current location | here
location_name: cinema | location name
movie_name: movie | movie name | film title
movie_type: movie type | film kind
object_location_type: venue kind | type of location
object_type: object type | kind of work | media kind
object_name: title | object name | work title
object_select: which one | selection
object_part_of_series_type: series part | part type
rating_value: rating | score | stars given
rating_unit: rating unit | unit
best_rating: maximum rating | out of
service: service | app | streaming service
year: year | decade
track: track | song
album: album | record
genre: genre | music style
date: date | day
place_name: place | place name | location
time: time | hour | clock time
person: person | name | contact
business_name: business | company | shop
media_type: media | channel | source
transport_type: transport | vehicle | means of transport
device_type: device | appliance
event_name: event | event name | occasion
food_type: food | dish
currency_name: currency | money
house_place: room | part of the house
list_name: list | list name
business_type: kind of business | shop type
player_setting: player setting | playback option
definition_word: word | term
order_type: order type | delivery or pickup
timeofday: time of day | part of day
color_type: color | colour
game_name: game | game name
relation: relation | relationship
personal_info: personal information | contact detail
radio_name: radio station | station
audiobook_name: audiobook | book title
weather_descriptor: weather | kind of weather
artist_name: artist | singer
news_topic: news topic | topic
music_genre: genre | music style
podcast_descriptor: podcast description | podcast kind
time_zone: time zone | zone
joke_type: kind of joke | joke topic
transport_agency: transport company | railway
change_amount: amount | change
song_name: song | song title
podcast_name: podcast | podcast name
email_address: email | email address
meal_type: meal | meal type
app_name: app | application
coffee_type: coffee | kind of coffee
general_frequency: frequency | how often
playlist_name: playlist | playlist name
music_descriptor: music description | mood
ingredient: ingredient | food item
email_folder: folder | mail folder
alarm_type: alarm type | alarm name
transport_descriptor: transport detail | ticket detail
transport_name: train name | line
audiobook_author: author | writer
cooking_type: cooking method | way of cooking
drink_type: drink | beverage
game_type: game type | kind of game
music_album: album | record
people: number of people | party size | guests
first_name: first name | given name
last_name: last name | surname | family name
location: location | place
corporation: company | corporation
product: product | item
creative-work: creative work | title
group: group | team or band
""")
