/* A library without an energy. */
int thalweg_of_another_name(void);
int thalweg_of_another_name(void) { return 0; }
