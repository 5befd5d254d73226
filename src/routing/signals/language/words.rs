//! Short, frequent words by language, for texts that are too short for letter statistics. Greetings stand among them,
//! since short prompts are often nothing else. A word may stand in several lists: the list with most hits wins.
//! Every list is in lower case; languages with a script of their own need none.

/// ISO 639-1 code, and words.
pub(super) const WORDS: &[(&str, &str)] = &[
    (
        "en",
        "the a an and or of to in on for with is are was were be been do does did not this that these those it its i \
         you he she we they my your our their me him her us them what which who how why when where can could would \
         should will have has had from at by as if but so no yes please thanks thank hello hi hey write give tell make \
         answer question text about into than then there here good morning",
    ),
    (
        "de",
        "der die das den dem des ein eine einen einem einer und oder nicht ist sind war wie was wer wo warum wann ich \
         du er sie es wir ihr mein dein mir dir mich dich zu zum zur mit von vom für auf im am bei aus nach über kann \
         kannst können soll bitte danke hallo guten gut auch noch nur schon wenn dass ob hat habe haben wird schreibe \
         gib mach sag welche welcher welches kein keine ja nein heute",
    ),
    (
        "fr",
        "le la les un une des du de et ou est sont était que qui quoi comment pourquoi quand où je tu il elle nous \
         vous ils elles mon ma mes ton ta ses son notre votre ce cette ces pas ne en au aux dans sur pour par avec \
         sans plus très peux peut pouvez bonjour merci salut s'il plaît quel quelle quels fait faire être avoir \
         c'est j'ai oui non écris donne moi me se y",
    ),
    (
        "es",
        "el la los las un una unos de del y o es son era que qué quién cómo por para con sin en al a mi tu su sus mis \
         yo tú él ella nosotros ustedes me te se lo le no sí muy más pero cuál cuándo dónde hola gracias buenos días \
         puedes puede está están ser hay este esta estos favor escribe dame hacer porque como si hoy",
    ),
    (
        "pt",
        "o a os as um uma de do da dos das e ou é são era que quem como por para com sem em no na nos nas ao meu minha \
         seu sua eu tu ele ela nós você vocês me te se lhe não sim muito mais mas qual quando onde olá obrigado \
         obrigada bom dia pode está estão ser há este esta isso favor escreva fazer porque tem uns",
    ),
    (
        "it",
        "il lo la i gli le un uno una di del della dei e o è sono era che chi cosa come perché quando dove per con \
         senza in nel nella su al alla mio mia tuo tua suo io tu lui lei noi voi mi ti si non sì molto più ma quale \
         ciao grazie buongiorno puoi può essere c'è questo questa favore scrivi fare ho hai ha anche da",
    ),
    (
        "nl",
        "de het een en of van is zijn was dat die dit wat wie hoe waarom wanneer waar ik jij je hij zij we wij jullie \
         mijn jouw me mij niet geen wel in op aan met voor naar bij uit om te er kan kun kunt wil moet hallo dank \
         dankjewel alsjeblieft goedemorgen ook nog maar als schrijf geef maak welke heb heeft hebben wordt graag",
    ),
    (
        "sv",
        "och att det en ett är var som på i av för med den de till inte om han hon vi ni jag du min din mig dig vad \
         hur varför när vem kan ska vill hej tack snälla god också men eller från har hade detta denna skriv ge gör \
         vilken vilket några inga mycket",
    ),
    (
        "da",
        "og at det en et er var som på i af for med den de til ikke om han hun vi jeg du min din mig dig hvad hvordan \
         hvorfor hvornår hvem hvor kan skal vil hej tak god også men eller fra har havde dette denne skriv giv gør \
         hvilken hvilket nogle ingen meget gerne",
    ),
    (
        "no",
        "og å det en et er var som på i av for med den de til ikke om han hun vi jeg du min din meg deg hva hvordan \
         hvorfor når hvem hvor kan skal vil hei takk god også men eller fra har hadde dette denne skriv gi gjør \
         hvilken hvilket noen ingen mye gjerne",
    ),
    (
        "fi",
        "ja on ei se että en mitä mikä kuka miten miksi milloin missä minä sinä hän me te he minun sinun tämä tuo joka \
         kun jos vai tai mutta myös vain olen olet oli ovat voi voit voitko hei kiitos hyvää huomenta anna kirjoita \
         tee kuinka niin kuin nyt sitten ole",
    ),
    (
        "pl",
        "i w na z że się nie jest to do co jak dlaczego kiedy gdzie kto który która które ja ty on ona my wy oni mój \
         moja twój mi mnie ci czy ale lub o od po dla przez są był była było być mam masz może możesz proszę dziękuję \
         cześć dzień dobry napisz podaj zrób jaki jaka tak już tylko",
    ),
    (
        "cs",
        "a v na že se je to do co jak proč kdy kde kdo který která které já ty on ona my vy oni můj moje tvůj mi mě si \
         ale nebo o od po pro přes jsou byl byla bylo být mám máš může můžeš prosím děkuji ahoj dobrý den napiš řekni \
         jaký jaká ano už jen jsem",
    ),
    (
        "sk",
        "a v na že sa je to do čo ako prečo kedy kde kto ktorý ktorá ktoré ja ty on ona my vy oni môj moja tvoj mi ma \
         si ale alebo o od po pre cez sú bol bola bolo byť mám máš môže môžeš prosím ďakujem ahoj dobrý deň napíš \
         povedz aký aká áno už len som nie",
    ),
    (
        "hu",
        "a az és vagy nem is hogy mi ki mit miért mikor hol hogyan én te ő mi ti ők van vannak volt lesz egy ez ezt azt \
         ha de csak már még meg kell lehet tud tudsz kérem kérlek köszönöm szia jó napot reggelt írj adj mondd melyik \
         milyen nekem igen",
    ),
    (
        "ro",
        "și si sau nu este sunt era ce cine cum de când unde eu tu el ea noi voi ei meu mea tău la în din pe cu fără \
         pentru prin un o care că să mai foarte dar poate poți bună ziua mulțumesc salut scrie dă fă acest această am \
         ai are vă rog da",
    ),
    (
        "tr",
        "ve veya bir bu şu o ne kim nasıl neden niçin zaman nerede ben sen biz siz onlar benim senin bana sana için ile \
         değil mi mı mu mü var yok çok daha ama da de ki gibi olan olarak merhaba teşekkürler lütfen günaydın yaz ver \
         yap hangi evet hayır misin mısın",
    ),
    (
        "id",
        "yang dan atau di ke dari untuk dengan tidak bukan ini itu apa siapa bagaimana mengapa kapan mana saya aku kamu \
         anda dia kami kita mereka adalah ada bisa dapat akan sudah belum tolong terima kasih halo selamat pagi tulis \
         buat jelaskan berapa pada juga karena seperti",
    ),
    (
        "vi",
        "và của là có không cho với này đó gì ai thế nào sao khi ở đâu tôi bạn anh chị em chúng ta họ một những các \
         được để trong trên từ đến như nhưng hay hoặc rất xin chào cảm ơn hãy viết giúp vui lòng bao nhiêu",
    ),
    (
        "ca",
        "el la els les un una de del i o és són era que qui com per amb sense en al a meu meva teu seu jo tu ell ella \
         nosaltres em et es no sí molt més però quin quina quan on hola gràcies bon dia pots pot està ser hi ha aquest \
         aquesta escriu fer perquè si us plau",
    ),
    (
        "hr",
        "i u na je se da ne to što tko kako zašto kada gdje koji koja koje ja ti on ona mi vi oni moj moja tvoj mi me \
         ali ili o od po za kroz su bio bila bilo biti imam može možeš molim hvala bok dobar dan napiši reci kakav da \
         već samo sam li",
    ),
    (
        "et",
        "ja on ei see et mis kes kuidas miks millal kus mina sina tema meie teie nemad minu sinu kui või aga ka ainult \
         olen oled oli saab saad palun aitäh tere hommikust kirjuta anna tee milline siis nii kas",
    ),
    (
        "tl",
        "ang ng sa na at ay mga ako ikaw siya kami tayo sila ko mo niya ito iyan ano sino paano bakit kailan saan hindi \
         oo para may mayroon wala po salamat kumusta paki isulat kung pero lang din",
    ),
    (
        "sw",
        "na ya wa kwa ni katika la za cha hii hiyo nini nani vipi kwa nini lini wapi mimi wewe yeye sisi wao yangu yako \
         si hapana ndiyo tafadhali asante habari jambo andika niambie je kuna kama lakini au",
    ),
    (
        "ru",
        "и в на с что не это я ты он она мы вы они как почему когда где кто какой какая какие мой моя мне меня тебя по \
         к о от до для из за но или да нет бы был была быть есть привет спасибо пожалуйста добрый день напиши скажи \
         можно можешь очень сколько если ли",
    ),
    (
        "uk",
        "і й в у на з що не це я ти він вона ми ви вони як чому коли де хто який яка які мій моя мені мене тебе по до \
         від для із за але або так ні був була бути є привіт дякую будь ласка добрий день напиши скажи можна можеш \
         дуже скільки якщо чи та",
    ),
    (
        "bg",
        "и в на с че не това аз ти той тя ние вие те как защо кога къде кой коя какво мой моя ми ме за от до по но или \
         да се е са беше има може можеш здравей благодаря моля добър ден напиши кажи много колко ако ли със",
    ),
    (
        "sr",
        "и у на је се да не то што шта ко како зашто када где који која ја ти он она ми ви они мој моја мени ме али или \
         од по за кроз су био била бити имам може можеш молим хвала здраво добар дан напиши реци већ само сам ли",
    ),
    (
        "ar",
        "من في على إلى عن ما ماذا هو هي أنا أنت نحن هذا هذه كيف لماذا متى أين هل لا نعم و أو مع كان اكتب مرحبا شكرا كم لي",
    ),
    (
        "fa",
        "از در به با که این آن را و است چه چیست چرا کی کجا من تو او ما شما آنها برای یک نه بله سلام لطفا ممنون چند چگونه می بنویس",
    ),
    (
        "ur",
        "کے کی کا کو میں سے ہے ہیں یہ وہ اور کیا کیوں کب کہاں کیسے آپ ہم تم نے پر نہیں جی سلام شکریہ براہ کرم ایک لکھیں",
    ),
    (
        "hi",
        "है हैं का की के को में से और यह वह क्या क्यों कब कहाँ कैसे मैं आप हम तुम नहीं हाँ पर एक नमस्ते धन्यवाद कृपया लिखो लिखिए मुझे",
    ),
    (
        "mr",
        "आहे आहेत चा ची चे ला मध्ये आणि हे तो ती काय का कधी कुठे कसे मी तू आपण आम्ही नाही हो एक नमस्कार धन्यवाद कृपया लिहा मला",
    ),
    (
        "ne",
        "छ छन् को का लाई मा बाट र यो त्यो के किन कहिले कहाँ कसरी म तपाईं हामी होइन हो एक नमस्ते धन्यवाद कृपया लेख्नुहोस् मलाई",
    ),
];
