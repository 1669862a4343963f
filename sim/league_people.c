#include <stdio.h>
#include <string.h>

#include "sim/league_parts.h"
#include "sim/spelling.h"

static const struct {
    const char *code, *city, *name, *conference, *division;
} towns[LEAGUE_TEAMS] = {
    {"HBV", "Harborview", "Gulls", "East", "Atlantic"},
    {"KSB", "Kestrel Bay", "Tides", "East", "Atlantic"},
    {"IRF", "Ironford", "Smiths", "East", "Atlantic"},
    {"NGT", "Northgate", "Lanterns", "East", "Atlantic"},
    {"MBK", "Millbrook", "Foxes", "East", "Atlantic"},
    {"LKM", "Lakemoor", "Herons", "East", "Central"},
    {"STB", "Stonebridge", "Masons", "East", "Central"},
    {"ASH", "Ashdown", "Embers", "East", "Central"},
    {"QHL", "Quarry Hill", "Rams", "East", "Central"},
    {"FWT", "Fairwater", "Pilots", "East", "Central"},
    {"PMK", "Palmetto Key", "Marlins", "East", "Southeast"},
    {"SLT", "Saltmarsh", "Egrets", "East", "Southeast"},
    {"MGC", "Magnolia City", "Bells", "East", "Southeast"},
    {"CRP", "Coral Point", "Rays", "East", "Southeast"},
    {"BYV", "Bayou Vista", "Crows", "East", "Southeast"},
    {"PCR", "Pinecrest", "Owls", "West", "Northwest"},
    {"GRP", "Granite Peak", "Bighorns", "West", "Northwest"},
    {"TBL", "Timberline", "Axes", "West", "Northwest"},
    {"EVF", "Evergreen Falls", "Otters", "West", "Northwest"},
    {"FRH", "Frostholm", "Bears", "West", "Northwest"},
    {"GDP", "Goldport", "Sailors", "West", "Pacific"},
    {"SNH", "Sunhaven", "Comets", "West", "Pacific"},
    {"MRD", "Mirador", "Condors", "West", "Pacific"},
    {"RWB", "Redwood Bay", "Titans", "West", "Pacific"},
    {"SVM", "Silver Mesa", "Rattlers", "West", "Pacific"},
    {"WDH", "Windhaven", "Cyclones", "West", "Southwest"},
    {"CTF", "Cactus Flats", "Roadrunners", "West", "Southwest"},
    {"PRJ", "Prairie Junction", "Mustangs", "West", "Southwest"},
    {"CPR", "Copper Ridge", "Miners", "West", "Southwest"},
    {"RVB", "Riverbend", "Steamers", "West", "Southwest"},
};

static const char *const first_names[] = {
    "Aaron",   "Abel",    "Amari",  "Andre",    "Anton", "Asher",   "Beau",   "Boris", "Brody",
    "Bruno",   "Caleb",   "Carlo",  "Cedric",   "Cyrus", "Dante",   "Darius", "Deion", "Desmond",
    "Dimitri", "Dominic", "Élie",   "Elijah",   "Emeka", "Enzo",    "Ezra",   "Felix", "Gideon",
    "Goran",   "Hakeem",  "Hugo",   "Idris",    "Isaac", "Ivo",     "Jabari", "Jalen", "Jaromír",
    "Javier",  "Jokūbas", "Jonas",  "Josué",    "Juwan", "Kadeem",  "Keon",   "Kofi",  "Lamar",
    "Leandro", "Luka",    "Malik",  "Marcel",   "Marek", "Mateo",   "Matías", "Micah", "Milo",
    "Moussa",  "Nikola",  "Nolan",  "Obi",      "Omar",  "Orlando", "Oskar",  "Otis",  "Pavel",
    "Quincy",  "Rafael",  "Rashad", "Reggie",   "Roman", "Rubén",   "Sékou",  "Silas", "Søren",
    "Tariq",   "Théo",    "Tobias", "Tremaine", "Uroš",  "Vasil",   "Xavier", "Zion"};

static const char *const last_names[] = {
    "Abernathy",    "Adeyemi",      "Alcott",     "Amundsen",    "Archambault", "Bãlan",
    "Barlow-Reyes", "Beaumont",     "Bergström",  "Birch",       "Blackwood",   "Bogdanić",
    "Brightwell",   "Caldera",      "Castellano", "Cheverton",   "Cobblepot",   "Čapek",
    "Dandridge",    "Delacroix",    "Diarra",     "Dunleavey",   "Eastwick",    "Ekwueme",
    "Faulkner",     "Fenwick",      "Figueroa",   "Fontaine",    "Garrity",     "Goodweather",
    "Greyson",      "Gutiérrez",    "Halloran",   "Hargrove",    "Hawthorne",   "Holloway",
    "Iverdale",     "Jankowski",    "Jarreau",    "Juknevičius", "Kallio",      "Keating",
    "Kilgore",      "Kovačić",      "Lachance",   "Langford",    "Lindqvist",   "Lockridge",
    "Mabry",        "Marchand",     "Marwood",    "Mbengue",     "McAllen",     "Merriweather",
    "Mihailov",     "Montrose",     "Nakamura",   "Ndongo",      "Novák",       "Oakhurst",
    "O'Farrell",    "Okonjo",       "Ölander",    "Pemberton",   "Petrauskas",  "Quarles",
    "Radcliffe",    "Redfern",      "Rousseau",   "Sainte-Rose", "Sandoval",    "Šimić",
    "Sorensen",     "Stallworth",   "Sterling",   "Tanaka",      "Thackeray",   "Thibault",
    "Tombolini",    "Underhill",    "Vandermeer", "Varga",       "Vukašin",     "Wainwright",
    "Whitlock",     "Winterbourne", "Yardley",    "Zamora",      "Zeller",      "Žukauskas"};

#define COUNT(list) ((int)(sizeof list / sizeof *list))

static bool taken(const struct league *self, int count, const char *key)
{
    for (int i = 0; i < count; i++) {
        if (strcmp(self->player[i].key, key) == 0) {
            return true;
        }
    }
    return false;
}

/* Like none of the first `count`. */
static void name_player(struct league *self, int index, int count, struct random *random)
{
    static const char *const suffixes[] = {" Jr.", " III", " II"};
    struct league_player *player = &self->player[index];
    char key[sizeof player->key];
    do {
        const char *suffix = random_chance(random, 60) ? suffixes[random_below(random, 3)] : "";
        const char *first = first_names[random_below(random, COUNT(first_names))];
        snprintf(player->name, sizeof player->name, "%s %s%s", first,
                 last_names[random_below(random, COUNT(last_names))], suffix);
        player->key[0] = '\0'; /* he may keep his own */
        spelling_key(player->name, key, sizeof key);
    } while (taken(self, count, key));
    memcpy(player->key, key, sizeof key);
}

/* Slot 0 is a team's best. What a guard, a forward and a centre are good at differs. */
static struct league_skill make_skill(int slot, int kind, struct random *random)
{
    static const int usage[LEAGUE_TEAM_PLAYERS] = {31, 25, 21, 17, 14, 19, 15, 13,
                                                   12, 10, 10, 9,  9,  8,  8};
    static const struct league_skill kinds[3] = {{.fg2 = 505,
                                                  .fg3 = 362,
                                                  .ft = 830,
                                                  .threes = 460,
                                                  .rebounds = 8,
                                                  .assists = 30,
                                                  .steals = 12,
                                                  .blocks = 2,
                                                  .turnovers = 14,
                                                  .fouls = 9},
                                                 {.fg2 = 535,
                                                  .fg3 = 356,
                                                  .ft = 780,
                                                  .threes = 400,
                                                  .rebounds = 14,
                                                  .assists = 15,
                                                  .steals = 9,
                                                  .blocks = 6,
                                                  .turnovers = 10,
                                                  .fouls = 11},
                                                 {.fg2 = 590,
                                                  .fg3 = 315,
                                                  .ft = 690,
                                                  .threes = 150,
                                                  .rebounds = 26,
                                                  .assists = 10,
                                                  .steals = 6,
                                                  .blocks = 15,
                                                  .turnovers = 9,
                                                  .fouls = 14}};
    struct league_skill out = kinds[kind];
    out.usage = 10 * usage[slot] + random_bell(random, 8);
    out.fg2 += random_bell(random, 12) - slot;
    out.fg3 += random_bell(random, 10);
    out.ft += random_bell(random, 25);
    out.threes += random_bell(random, 40);
    out.rebounds = 10 * out.rebounds + random_bell(random, 12);
    out.assists = 10 * out.assists + random_bell(random, 15) - 4 * slot;
    out.steals = 10 * out.steals + random_bell(random, 10);
    out.blocks = 10 * out.blocks + random_bell(random, 5);
    out.turnovers = 10 * out.turnovers + random_bell(random, 8);
    out.fouls = 10 * out.fouls + random_bell(random, 8);
    out.assists = out.assists < 20 ? 20 : out.assists;
    out.blocks = out.blocks < 5 ? 5 : out.blocks;
    return out;
}

static void make_player(struct league *self, int team, int slot, struct random *random)
{
    static const int kinds[LEAGUE_TEAM_PLAYERS] = {0, 1, 1, 2, 0, 0, 1, 2, 0, 1, 1, 2, 0, 1, 2};
    static const char *const positions[3][2] = {{"G", "G-F"}, {"F", "F-G"}, {"C", "F-C"}};
    int index = team * LEAGUE_TEAM_PLAYERS + slot;
    struct league_player *player = &self->player[index];
    name_player(self, index, index, random);
    player->id = 7000000 + 13 * index + random_below(random, 13);
    player->bdl_id =
        random_chance(random, 880) ? 4000000 + 17 * ((index * 211) % LEAGUE_PLAYERS) : 0;
    player->position = positions[kinds[slot]][random_chance(random, 250)];
    player->skill = make_skill(slot, kinds[slot], random);
}

/* Two men of one normalised name, one with an accent, in teams that do not meet. */
static void make_namesakes(struct league *self)
{
    static const char *const names[] = {"Théo Marchand", "Theo Marchand"};
    for (int i = 0; i < 2; i++) {
        struct league_player *player = &self->player[(2 + 13 * i) * LEAGUE_TEAM_PLAYERS + 2];
        snprintf(player->name, sizeof player->name, "%s", names[i]);
        spelling_key(player->name, player->key, sizeof player->key);
    }
}

void league_make_people(struct league *self)
{
    struct random random = random_of(self->seed, "people", 0);
    for (int t = 0; t < LEAGUE_TEAMS; t++) {
        self->team[t] = (struct league_team){.code = towns[t].code,
                                             .city = towns[t].city,
                                             .name = towns[t].name,
                                             .conference = towns[t].conference,
                                             .division = towns[t].division,
                                             .strength = random_bell(&random, 10)};
        for (int slot = 0; slot < LEAGUE_TEAM_PLAYERS; slot++) {
            make_player(self, t, slot, &random);
        }
    }
    for (int i = 0; i < LEAGUE_PLAYERS; i++) { /* nobody else may be called like them */
        while (strcmp(self->player[i].key, "theo marchand") == 0) {
            name_player(self, i, LEAGUE_PLAYERS, &random);
        }
    }
    make_namesakes(self);
}

/* Who is hurt stays out for some games; who has a line and is out all the same is scratched late. */
void league_pick_squad(struct league *self, int team, struct random *random,
                       struct league_squad *out)
{
    *out = (struct league_squad){0};
    for (int slot = 0; slot < LEAGUE_TEAM_PLAYERS; slot++) {
        int index = team * LEAGUE_TEAM_PLAYERS + slot;
        struct league_player *player = &self->player[index];
        bool late = false;
        if (player->games_out > 0) {
            player->games_out--;
        } else if (random_chance(random, 25)) {
            player->games_out = random_between(random, 0, 6);
            late = player->games_out == 0 || random_chance(random, 300);
        } else {
            out->player[out->count++] = index;
            continue;
        }
        if (late) {
            out->player[out->count] = index;
            out->scratched[out->count++] = true;
        }
    }
}
