-- Make the two databases and their users. Run it once, as PostgreSQL's superuser: sudo -u postgres psql -f databases.sql
\set ON_ERROR_STOP on
CREATE ROLE mlflow LOGIN;                      -- logs in as the system user of this name, without a password
CREATE DATABASE mlflow OWNER mlflow;
REVOKE ALL ON DATABASE mlflow FROM PUBLIC;

CREATE ROLE optuna;                            -- every user who searches is a member
GRANT optuna TO mlflow;                        -- so that mlflow can back it up
CREATE DATABASE optuna OWNER optuna;
REVOKE ALL ON DATABASE optuna FROM PUBLIC;
ALTER DATABASE optuna SET role = 'optuna';     -- so that every member can use what another made
