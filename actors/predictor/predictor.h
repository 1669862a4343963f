/* predictor - says what to expect of each player: mean, spread, and what to make of the line.
 * takes  feature.player, model.promoted, ops.command            gives  prediction.points, command.answer
 * keeps  the promoted model; the newest features of each player and game (kept.h); the last prediction of each player, game, system and stat
 * says   blend, which is built in, and once a model is promoted what each of its systems (systems.def) makes of the same features
 * never  predicts on too little (setting predictor.min_games, or a needed feature unknown), or says the same twice */
#ifndef ACTORS_PREDICTOR_PREDICTOR_H
#define ACTORS_PREDICTOR_PREDICTOR_H

#include "actors/actor.h"

extern const struct actor predictor_actor;

#endif
