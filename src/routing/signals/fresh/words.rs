//! The words that `fresh.rs` goes by, all in one place. An entry is one to four words in lower case; a possessive `'s`
//! is taken off a word before it is looked up, unless the entry itself has one.

/// What a word or phrase speaks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// The present, or what has just happened: a question with it is about now.
    Now,
    /// The same in words that also mean other things: counts only beside a topic.
    Lately,
    /// Something whose state changes from day to day or from year to year.
    Topic,
    /// An office or title that passes from one holder to the next.
    Office,
    /// Says it all alone.
    Strong,
    /// A state that somebody asks for: `is the flight delayed`.
    Status,
    /// A topic that people type without any verb: `weather nairobi`.
    Query,
    /// Works on a text that is given, or asks for a new one.
    Transform,
    /// Asks for general knowledge, for something invented, or for a way to do something.
    Timeless,
}

/// Every entry of a kind, separated by commas.
pub(super) const ENTRIES: &[(Sign, &str)] = &[
    (
        Sign::Now,
        "today, tonight, tomorrow, yesterday, right now, just now, at the moment, at present, currently, this week, this month, \
         this year, this season, this morning, this afternoon, this evening, this weekend, this quarter, this summer, \
         this winter, last night, last week, last weekend, last month, next week, next month, next weekend, these days, so far, \
         as of, lately, nowadays, past week, past month, past few days, past few weeks, in recent weeks, in recent days, \
         on monday, on tuesday, on wednesday, on thursday, on friday, on saturday, on sunday, \
         heute, gestern, derzeit, momentan, zurzeit, diese woche, dieses jahr, \
         aujourd'hui, demain, d'hier, actuellement, cette semaine, cette année, en ce moment, \
         hoy, mañana, ayer, ahora, esta semana, este año, oggi, domani, ieri, adesso, questa settimana, \
         hoje, amanhã, ontem, agora, vandaag, gisteren, momenteel",
    ),
    (
        Sign::Lately,
        "now, current, latest, newest, most recent, recent, recently, next, last, upcoming, up to date, up-to-date, new, \
         heutige, heutigen, morgen, gerade, hier, aktuell, aktuelle, aktuellen, aktueller, neueste, neuesten, neuste, letzte, letzten, \
         actuel, actuelle, dernière, dernières, dernier, derniers, últimas, últimos, última, último, actual, \
         ultime, ultimi, ultima, ultimo, attuale, atual, nu, huidige, laatste",
    ),
    (
        Sign::Topic,
        "weather, forecast, rain, raining, snow, snowing, sunny, umbrella, sunset, sunrise, sun set, sun rise, air quality, \
         pollen, tide, water level, temperature outside, hurricane, storm warning, wildfires, earthquake, \
         news, headline, headlines, news about, happened, happening, going on, announced, announcement, talks, war, ceasefire, \
         price, prices, cost, costs, worth, cheapest, fare, fares, rent, rents, deal, deals, sale, discount, \
         bitcoin, ethereum, crypto, stock, stocks, share price, shares, market, markets, nasdaq, dow, dax, ftse, index, \
         gold, oil, gas, petrol, exchange rate, dollar, euro, yen, interest rate, interest rates, mortgage rate, mortgage rates, \
         inflation, inflation rate, unemployment, unemployment rate, gdp, central bank, fed, tax brackets, minimum wage, \
         population, how many people, hotel, hotels, room, rooms, flat, flats, apartments, storm, warnings, medals, \
         developments, features, event, season, situation, status, stage, elections, election, poll, polls, bill, law, laws, court, parliament, \
         score, scores, scored, goals, match, game, league, table, standings, ranking, rankings, won, wins, win, winner, leads, \
         lead, champion, tournament, playoffs, grand prix, race, transfer, injured, lineup, \
         tickets, concert, concerts, festival, exhibition, showing, cinema, cinemas, films, movies, box office, tv, episode, \
         songs, song, chart, charts, trending, viral, streaming, \
         flight, flights, airlines, airport, train, trains, bus, ferry, traffic, motorway, highway, road, roads, border, delayed, \
         delay, delays, cancelled, canceled, strike, closed, open, opening hours, closing time, queue, availability, available, \
         in stock, booked, down, outage, offline, \
         version, release, released, lts, update, patch, vulnerability, vulnerabilities, cve, out, launched, launch, model, models, \
         phone, phones, laptops, laptop, cars, gadget, gadgets, graphics card, graphics cards, gpu, papers, research, study, \
         studies, findings, cure, vaccine, cases, outbreak, rules, requirements, restrictions, visa, regulations, \
         job openings, hiring, layoffs, ceo, lawsuit, merger, earnings, results, list of countries, moon phase, menu, \
         wetter, regnet, regen, nachrichten, schlagzeilen, preis, preise, kurs, kurse, aktienkurse, benzinpreis, kostet, streik, bahnstreik, stau, stand, \
         ergebnis, spiel, wahl, wahlen, geöffnet, verspätung, regnen, schneien, lage, \
         temps, météo, pluie, pleuvoir, prix, cours, nouvelles, actualités, grève, résultats, élections, match, \
         tiempo, clima, llover, lloverá, llueve, noticias, precio, precios, dólar, resultado, partido, elecciones, huelga, \
         meteo, piovere, pioverà, notizie, prezzo, risultato, partita, elezioni, sciopero, previsão, preço, notícias, jogo, eleições, \
         weer, nieuws, prijs, wedstrijd, uitslag",
    ),
    (
        Sign::Office,
        "president, vice president, prime minister, chancellor, minister, secretary, king, queen, pope, mayor, governor, ceo, \
         chairman, chairwoman, head coach, coach, captain, manager, champion, richest person, richest man, tallest building, \
         world record holder, leader, speaker, secretary general, director, chief justice, host, \
         kanzler, bundeskanzler, präsident, präsidentin, président, présidente, presidente, primer ministro, premier ministre",
    ),
    (
        Sign::Strong,
        "latest news, breaking news, today's news, today's headlines, today's weather in, in the news, \
         news today, live score, live scores, live results, live updates, latest version, newest version, current version, \
         latest release, latest on, latest developments, out yet, released yet, been released, been announced, near me, nearby, \
         weather forecast for, weather in, weather for, forecast for, weather like, going to rain, will it rain, will it snow, \
         is it raining, is it snowing, temperature outside, price of bitcoin, stock price of, share price of, how much is bitcoin, \
         down for everyone, still alive, still open, still closed, still available, still running, any news, any updates, full moon, still in office, still married, still sold, \
         score of the, kick off, trending on, real-time, real time, what time is it, today's date, what day is it, \
         what is the date, wie wird das wetter, wetter in, quel temps fait-il, qué tiempo hace, che tempo fa, wie spät ist es",
    ),
    (Sign::Status, "delayed, delays, cancelled, canceled, down, offline, sold out, on time, running late"),
    (
        Sign::Query,
        "weather, forecast, news, headlines, share price, stock price, stock quote, gas prices, petrol prices, exchange rate, \
         bitcoin price, gold price, oil price, live score, standings, fixtures, departures, arrivals, traffic, flight status, \
         wetter, nachrichten, météo, clima, noticias, meteo, notizie",
    ),
    (
        Sign::Transform,
        "translate, rewrite, rephrase, reword, paraphrase, proofread, correct, fix, classify, categorize, categorise, label, tag, \
         extract, summarise, summarize, shorten, convert, turn this, turn the, edit, improve, detect, does this, does the \
         following, is this, is the following, this text, this sentence, this message, this headline, following text, following \
         message, following article, following headline, sentiment, übersetze, traduis, traduce, traduci, draft, email, reply, json, label, labels, slots, intents, categories, copy, \
         subject line, write, rate this, reads, pick the, pick one, answer from, put into, choose, rank these, sort these, order these, apology",
    ),
    (
        Sign::Timeless,
        "explain, define, definition, meaning, mean, means, stand for, difference between, history of, origin of, theory, concept, \
         principle, how do, how does, how can, how to, how are, how is it that, how could i, how should, why do, why does, why is \
         it, why are, poem, story, song about, song lyrics, haiku, limerick, joke, essay, novel, fictional, imagine, pretend, \
         you are a, act as, role-play, roleplay, slogan, brainstorm, recipe, plot of, synonym, synonyms, antonym, antonyms, noun, \
         verb, adjective, spell, spelled, pronounce, regular expression, regex, sql, function, script, code, implement, python \
         program, bash, command, query that, algorithm, class, unit test, comes after, comes before, rhyme, reimen, if today, if it is, if yesterday, if tomorrow, suppose, \
         assume, who was, what was, who were, who wrote, who invented, who discovered, who painted, who composed, who sang, in \
         which year, what year, when was, when did, first, ancient, century, middle ages, unterschied, bedeutet, erkläre, \
         différence, signifie, explique, diferencia, significa, explica, differenza",
    ),
];
