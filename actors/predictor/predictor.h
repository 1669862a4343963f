/* predictor - says what to expect of each player: mean, spread, and what to make of the line.
 * takes  feature.player            gives  prediction.points
 * keeps  the last prediction of each player and game
 * never  predicts on too little (setting predictor.min_games, or a needed feature unknown), or says the same twice */
#ifndef ACTORS_PREDICTOR_PREDICTOR_H
#define ACTORS_PREDICTOR_PREDICTOR_H

#include "actors/actor.h"

extern const struct actor predictor_actor;

#endif
