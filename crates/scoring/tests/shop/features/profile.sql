select account, level as level from profiles
